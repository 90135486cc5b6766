"""Planning maintenance: the form with what was typed, when that is, and which monitors it covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import request, url_for
from werkzeug.datastructures import MultiDict

from tokiflow import errors
from tokiflow.core import ids, window_draft
from tokiflow.core.schedule import zones
from tokiflow.core.window_draft import WindowDraft
from tokiflow.models import MaintenanceWindow, Monitor, User
from tokiflow.queries import audit
from tokiflow.queries import maintenance as read
from tokiflow.web import filters, picker, troubles, windows
from tokiflow.web.forms.monitor import Reading
from tokiflow.web.forms.window import WindowForm, typed

PRESETS = (
    ("Sundays at 02:00", {"expression": "0 2 * * 0", "duration": "4 hours"}),
    ("every night at 01:00", {"expression": "0 1 * * *", "duration": "1 hour"}),
    ("first Saturday of the month", {"expression": "0 6 * * 6#1", "duration": "6 hours"}),
)
NAMED = 5


@dataclass(frozen=True)
class Preview:
    """When it is and what it covers, or what is wrong with it."""

    words: str
    city: str
    my_zone: str
    lines: Sequence[windows.Line]
    note: str
    covers: str
    mistakes: Sequence[str]


class Editor:
    """The form for a new window, or for `window`. `check` reads it; `values` then are what the service takes."""

    def __init__(self, organization_id: UUID, now: datetime, window: MaintenanceWindow | None, **given: Any) -> None:
        self.organization_id = organization_id
        self.window = window
        self.now = now
        self.clash = ""
        self.values: Mapping[str, Any] = {}
        self.form = WindowForm(**given)
        self._apply_preset()

    @property
    def action(self) -> str:
        """Where the form is sent."""
        return self._url("edit") if self.window else url_for("maintenance.new")

    @property
    def cancel(self) -> str:
        """Where to go without saving."""
        return self._url("show") if self.window else url_for("maintenance.index")

    @property
    def presets(self) -> list[tuple[str, str]]:
        """Schedules by one press, as (value of the button, words)."""
        return [(str(number), words) for number, (words, _) in enumerate(PRESETS)]

    @property
    def only_asks(self) -> bool:
        """Whether the form came for a preset, a preview or to find a monitor, and not to be saved."""
        return not {"preset", "preview", "find"}.isdisjoint(request.form)

    @property
    def version(self) -> int:
        """The version of the window when its form was opened. Raises Malformed if it was tampered with."""
        written = str(self.form.version.data or "")
        if not (written.isascii() and written.isdigit() and len(written) < 10):
            raise errors.Malformed("This form is broken. Open it again.")
        return int(written)

    @property
    def preview(self) -> Preview:
        """When it is as typed, and what it covers."""
        return _preview(self.organization_id, self.form, self.now)

    @property
    def monitors(self) -> picker.Picker:
        """The monitors it names, to choose from."""
        ticked, words = self.form.monitors.data or [], self.form.monitors_words.data or ""
        return picker.of("monitors", self.organization_id, ticked, words, mistakes=self.form.monitors.errors)

    def check(self) -> bool:
        """Whether everything typed can be read; `values` then hold it. If not, the form shows all that is wrong."""
        reading = self.form.read()
        ticked, words = self.form.monitors.data or [], self.form.monitors_words.data or ""
        if not reading.values.get("everything"):
            reading.take("monitors", lambda: picker.taken(self.organization_id, ticked, words))
        mistakes = {**_mistakes(reading, self.window, self.now), **reading.mistakes}
        if mistakes or not self.form.validate():
            self.refuse(errors.Invalid(mistakes))
            return False
        self.values = reading.values
        return True

    def refuse(self, refused: errors.Invalid) -> None:
        """Show what is wrong beside the fields it is about."""
        self.form.refuse(refused)

    def show_conflict(self, theirs: MaintenanceWindow) -> None:
        """Say that somebody else saved meanwhile. Saving again then is meant."""
        deed = next(iter(audit.of_object(self.organization_id, theirs.id, 1)), None)
        self.clash = f"{deed.by if deed else 'Somebody'} saved this window {filters.ago(theirs.updated_at)}"
        self.form.version.data = str(theirs.version)

    def _apply_preset(self) -> None:
        chosen = request.form.get("preset", "")
        if chosen.isascii() and chosen.isdigit() and int(chosen[:4]) < len(PRESETS):
            for name, value in PRESETS[int(chosen[:4])][1].items():
                self.form[name].data = value

    def _url(self, view: str) -> str:
        assert self.window is not None
        return url_for(f"maintenance.{view}", window_id=windows.public_id(self.window))


def for_new(organization_id: UUID, person: User, monitor: Monitor | None, now: datetime) -> Editor:
    """A form for the hour that begins now, in the person's zone; for `monitor` alone if there is one."""
    zone = person.timezone or filters.zone_key()
    begins = now.astimezone(zones.zone(zone)).replace(tzinfo=None, second=0, microsecond=0)
    begins -= timedelta(minutes=begins.minute % 5)
    given: dict[str, Any] = {
        "timezone": zone,
        "starts": begins.isoformat(timespec="minutes"),
        "ends": (begins + timedelta(hours=1)).isoformat(timespec="minutes"),
    }
    if monitor:
        given |= {"scope": "some", "monitors": [ids.public("mon", monitor.id)], "name": f"Work on {monitor.name}"[:200]}
    return Editor(organization_id, now, None, **given)


def for_known(window: MaintenanceWindow, now: datetime) -> Editor:
    """The form with what is stored of `window`, or with what was sent."""
    draft = _stored(window)
    monitors = [ids.public("mon", one) for one in sorted(draft.monitors)]
    given = typed(asdict(draft)) | {"monitors": monitors, "version": str(window.version)}
    return Editor(window.organization_id, now, window, **given)


def preview(organization_id: UUID, query: MultiDict[str, str], person: User, now: datetime) -> Preview:
    """When the window in `query`, being typed, is, and what it covers."""
    form = WindowForm(formdata=query, meta={"csrf": False}, timezone=person.timezone)
    return _preview(organization_id, form, now)


def _stored(window: MaintenanceWindow) -> WindowDraft:
    return read.draft_of(window, read.monitors_of([window.id]).get(window.id, ()))


def _mistakes(reading: Reading, window: MaintenanceWindow | None, now: datetime) -> dict[str, list[str]]:
    """What the rules of a draft say of the values that could be read."""
    try:
        if window:
            window_draft.change(_stored(window), reading.values, now)
        else:
            window_draft.create(reading.values, now)
    except errors.Invalid as refused:
        return refused.fields
    return {}


def _preview(organization_id: UUID, form: WindowForm, now: datetime) -> Preview:
    reading = form.read()
    covers = _covers(organization_id, reading, form)
    time = {name: value for name, value in reading.values.items() if name not in ("name", "everything", "tags")}
    try:
        draft = window_draft.create(time | {"name": "it", "everything": True}, now)
    except errors.Invalid as refused:
        # What was not written yet is no mistake while somebody is still at it.
        found = {name: why for name, why in refused.fields.items() if "is missing" not in why[0]} | reading.mistakes
        mistakes = [f"{_WORDS.get(name, name)} {' '.join(why)}" for name, why in found.items() if name in _WORDS]
        return Preview("", "", "", (), "", covers, mistakes)
    lines = windows.lines(windows.occurrences(draft.plan(), now), draft.timezone, now)
    return Preview(
        words=windows.rhythm(draft.kind, draft.expression, draft.timezone, draft.duration_seconds),
        city=zones.city(draft.timezone),
        my_zone=zones.city(filters.zone_key()) if any(line.mine for line in lines) else "",
        lines=lines,
        note="" if lines or draft.kind != "calendar" else _CALENDAR,
        covers=covers,
        mistakes=(),
    )


_CALENDAR = "Its events are read when it is saved, and again about every hour; the next 60 days of them count."
_WORDS = {
    "timezone": "The time zone",
    "starts_at": "The beginning",
    "ends_at": "The end",
    "expression": "The cron expression:",
    "duration_seconds": "The length",
    "ical_url": "The address of the calendar",
}


def _covers(organization_id: UUID, reading: Reading, form: WindowForm) -> str:
    """`Covers 12 monitors: Nightly backup, Invoices and 10 others.`"""
    ticked = frozenset(one for one in map(picker.key, form.monitors.data or []) if one)
    scope = WindowDraft("", "", everything=bool(reading.values.get("everything")))
    if not scope.everything:
        tags = tuple(" ".join(tag.replace("\x00", "").split()) for tag in reading.values.get("tags", ()))
        scope = replace(scope, tags=tags, monitors=ticked)
    number, first = read.covered(organization_id, scope, NAMED)
    if not number:
        return "It covers no monitor yet."
    names = [one.name for one in first]
    unnamed = (f"#{n}" for n in range(number - len(names)))  # counted, and never said
    return f"Covers {filters.count(number, 'monitor')}: {troubles.listed([*names, *unnamed], NAMED - 1)}."
