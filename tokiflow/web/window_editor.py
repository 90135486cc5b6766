"""Planning maintenance: the form with what was typed, when that is, and which monitors it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from werkzeug.datastructures import MultiDict

from tokiflow import errors
from tokiflow.core import ids, window_draft
from tokiflow.core.schedule import zones
from tokiflow.core.window_draft import WindowDraft
from tokiflow.models import MaintenanceWindow, Monitor, User
from tokiflow.queries import maintenance as read
from tokiflow.web import editing, filters, picker, troubles, windows
from tokiflow.web.forms.base import Reading
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


class Editor(editing.Editor[MaintenanceWindow, WindowForm]):
    """The form for a new window, or for a known one."""

    room = "maintenance"
    presets_of = PRESETS

    def __init__(self, organization_id: UUID, now: datetime, window: MaintenanceWindow | None, **given: Any) -> None:
        super().__init__(organization_id, now, window, WindowForm(**given))
        self.clash = ""

    @property
    def address(self) -> dict[str, Any]:
        """How the pages of the window are asked for."""
        return {"window_id": windows.public_id(self.thing)} if self.thing else {}

    @property
    def preview(self) -> Preview:
        """When it is as typed, and what it covers."""
        return _preview(self.organization_id, self.form, self.now)

    @property
    def monitors(self) -> picker.Picker:
        """The monitors it names, to choose from."""
        ticked, words = self.form.monitors.data or [], self.form.monitors_words.data or ""
        return picker.of("monitors", self.organization_id, ticked, words, mistakes=self.form.monitors.errors)

    def mistakes_in(self, reading: Reading) -> dict[str, list[str]]:
        """As the rules of a draft see it, and the monitors it is for."""
        ticked, words = self.form.monitors.data or [], self.form.monitors_words.data or ""
        if not reading.values.get("everything"):
            reading.take("monitors", lambda: picker.taken(self.organization_id, ticked, words))
        return _mistakes(reading, self.thing, self.now)

    def show_conflict(self, theirs: MaintenanceWindow, by: str) -> None:
        """Who it was, and when."""
        self.clash = f"{by} saved this window {filters.ago(theirs.updated_at)}"


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
