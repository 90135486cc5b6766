"""Making and changing a monitor: the form with what was typed, what it means, and what its schedule will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from werkzeug.datastructures import MultiDict

from tokiflow import errors
from tokiflow.core import ids, monitor_draft, schedule
from tokiflow.models import Monitor, User
from tokiflow.queries import channels, dependencies, monitors
from tokiflow.web import editing, filters, happenings, monitor_list, picker, schedule_preview
from tokiflow.web.forms.base import Reading
from tokiflow.web.forms.monitor import MonitorForm, typed

PRESETS = (
    ("every 5 minutes", {"kind": "every", "every_number": "5", "every_unit": "minutes"}),
    ("every hour", {"kind": "every", "every_number": "1", "every_unit": "hours"}),
    ("every day at 02:00", {"kind": "cron", "cron_expression": "0 2 * * *"}),
    ("weekdays at 09:00", {"kind": "cron", "cron_expression": "0 9 * * 1-5"}),
    ("first of the month", {"kind": "cron", "cron_expression": "0 4 1 * *"}),
    ("last day of the month", {"kind": "calendar", "calendar_expression": "*-*~1 23:00"}),
)


@dataclass(frozen=True)
class Difference:
    """A value that somebody else changed meanwhile: what they saved and what is typed here."""

    word: str
    theirs: str
    yours: str


@dataclass(frozen=True)
class Clash:
    """Who saved first, when, and where the two differ."""

    by: str
    at: datetime
    differences: Sequence[Difference]


class Editor(editing.Editor[Monitor, MonitorForm]):
    """The form for a new monitor, or for a known one."""

    room = "monitors"
    presets_of = PRESETS

    def __init__(self, organization_id: UUID, now: datetime, monitor: Monitor | None, **given: Any) -> None:
        super().__init__(organization_id, now, monitor, MonitorForm(**given))
        self.clash: Clash | None = None
        self.form.offer_channels(
            [(ids.public("chn", one.id), one.name) for one in channels.of_organization(organization_id)]
        )

    @property
    def address(self) -> dict[str, Any]:
        """How the pages of the monitor are asked for."""
        return {"monitor_id": ids.public("mon", self.thing.id)} if self.thing else {}

    @property
    def shows_more(self) -> bool:
        """Whether the rarely needed fields are unfolded: where one of them is wrong."""
        rare = ("max_runtime", "early_tolerance", "failures_to_open", "successes_to_resolve")
        return any(self.form[name].errors for name in rare)

    @property
    def preview(self) -> schedule_preview.Preview:
        """What the schedule as typed will do."""
        return schedule_preview.of(self.form.read(), self.now)

    @property
    def upstream(self) -> picker.Picker:
        """What the monitor depends on, to choose from."""
        return picker.of(
            "depends_on",
            self.organization_id,
            self.form.depends_on.data or [],
            self.form.depends_on_words.data or "",
            without=self.thing.id if self.thing else None,
            mistakes=self.form.depends_on.errors,
        )

    def mistakes_in(self, reading: Reading) -> dict[str, list[str]]:
        """As the rules of a draft see it, and what it depends on."""
        ticked, words = self.form.depends_on.data or [], self.form.depends_on_words.data or ""
        reading.take("depends_on", lambda: picker.taken(self.organization_id, ticked, words))
        return _draft_mistakes(reading)

    def show_conflict(self, theirs: Monitor, by: str) -> None:
        """Where the two differ."""
        before, mine = _said(stored(theirs)), _said(self.values)
        self.clash = Clash(
            by=by,
            at=theirs.updated_at,
            differences=[
                Difference(word, before[word], mine[word])
                for word in mine
                if word in before and before[word] != mine[word]
            ],
        )


def for_new(organization_id: UUID, person: User, now: datetime) -> Editor:
    """An empty form; its zone is the person's."""
    return Editor(organization_id, now, None, timezone=person.timezone)


def for_known(monitor: Monitor, person: User, now: datetime) -> Editor:
    """The form with what is stored of `monitor`, or with what was sent."""
    given = typed(stored(monitor))
    given["timezone"] = given["timezone"] or person.timezone
    return Editor(monitor.organization_id, now, monitor, version=str(monitor.version), **given)


def preview(query: MultiDict[str, str], person: User, now: datetime) -> schedule_preview.Preview:
    """What the schedule in `query`, being typed, will do."""
    form = MonitorForm(formdata=query, meta={"csrf": False}, timezone=person.timezone)
    return schedule_preview.of(form.read(), now)


def stored(monitor: Monitor) -> dict[str, Any]:
    """The monitor as people wished it, written as the API writes it."""
    own = monitors.own_channels([monitor.id]).get(monitor.id, [])
    return {
        **monitor_draft.plain(monitor),
        "tags": list(monitor.tags),
        "schedule": schedule.to_dict(monitor_list.schedule_of(monitor)),
        "channels": [ids.public("chn", one) for one in own] if monitor.own_channels else None,
        "depends_on": [ids.public("mon", one.id) for one in dependencies.of_monitors([monitor.id]).get(monitor.id, [])],
    }


def _draft_mistakes(reading: Reading) -> dict[str, list[str]]:
    """What the rules of a draft say of the values that could be read."""
    placeholder = {} if "schedule" in reading.values else {"schedule": {"kind": "every", "seconds": 3600}}
    try:
        monitor_draft.create({**reading.values, **placeholder})
    except errors.Invalid as refused:
        return refused.fields
    return {}


def _said(values: Mapping[str, Any]) -> dict[str, str]:
    """The values in words, to lay two of them side by side."""
    said = {happenings.words_of(name): _words(name, value) for name, value in values.items() if name != "schedule"}
    return {"schedule": _schedule_words(values["schedule"]), **said}


def _schedule_words(said: Mapping[str, Any]) -> str:
    return schedule.describe(
        schedule.parse(
            said["kind"],
            seconds=said.get("seconds"),
            expression=said.get("expression"),
            timezone=said.get("timezone"),
        )
    )


def _words(name: str, value: Any) -> str:
    if value is None:
        return "whom the rules choose"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        kinds = {"channels": "channel", "depends_on": "monitor"}
        return filters.count(len(value), kinds[name]) if name in kinds else ", ".join(value) or "none"
    return schedule_preview.length(value) if name.endswith("_seconds") else str(value)
