"""The form of a maintenance window: what people type, and the values it means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wtforms import RadioField, SelectField, SelectMultipleField, StringField

from tokiflow import errors
from tokiflow.core import durations
from tokiflow.core.schedule import zones
from tokiflow.web.forms.base import DraftForm, Reading, choices
from tokiflow.web.forms.monitor import zone_choices

KINDS = {"once": "Once", "repeating": "On a schedule", "calendar": "From a calendar"}


class WindowForm(DraftForm):
    """One column: what, when, for which monitors. Times are those of the chosen zone."""

    name = StringField("Name")
    kind = RadioField("When", choices=choices(KINDS.items()), default="once", validate_choice=False)
    starts = StringField("Begins")
    ends = StringField("Ends")
    expression = StringField("Cron expression")
    duration = StringField("Lasts")
    since = StringField("Not before")
    until = StringField("Until")
    ical_url = StringField("Address of the calendar")
    timezone = SelectField("Time zone", choices=zone_choices, validate_choice=False)
    scope = RadioField(
        "For which monitors",
        choices=choices([("everything", "Everything"), ("some", "Only some")]),
        default="everything",
        validate_choice=False,
    )
    tags = StringField("Tags")
    monitors = SelectMultipleField("Monitors", choices=[], validate_choice=False)
    monitors_words = StringField("Find a monitor")

    def read(self) -> Reading:
        """What was typed, as the values that drafts and services take, but for the monitors; and what can't be read."""
        reading = Reading()
        kind, everything = self.kind.data or "", self.scope.data == "everything"
        start, end = (self.since, self.until) if kind == "repeating" else (self.starts, self.ends)
        reading.take("name", lambda: self.name.data or "")
        reading.take("kind", lambda: kind)
        reading.take("timezone", lambda: self.timezone.data or "")
        reading.take("starts_at", lambda: self._moment(start.data, 0))
        # An hour that comes twice is meant as a whole: from the first time it begins to the second time it ends.
        reading.take("ends_at", lambda: self._moment(end.data, 1))
        reading.take("expression", lambda: self.expression.data or "")
        reading.take("duration_seconds", lambda: _length(self.duration.data))
        reading.take("ical_url", lambda: self.ical_url.data or "")
        reading.take("everything", lambda: everything)
        reading.take("tags", lambda: [tag for tag in (self.tags.data or "").split(",") if tag.strip()])
        for name in _NOT_OF.get(kind, ()):
            reading.values.pop(name, None)
            reading.mistakes.pop(name, None)
        return reading

    def refuse(self, refused: errors.Invalid) -> None:
        """Show what drafts and services find wrong beside the fields it is about."""
        self.take(errors.Invalid({self._called(name): why for name, why in refused.fields.items()}))

    def _called(self, name: str) -> str:
        repeating = self.kind.data == "repeating"
        called = {
            "starts_at": "since" if repeating else "starts",
            "ends_at": "until" if repeating else "ends",
            "duration_seconds": "duration",
        }
        return called.get(name, name)

    def _moment(self, text: str | None, fold: int) -> datetime | None:
        """The moment that the clocks of the chosen zone show `text`; None for nothing. Raises ValueError."""
        if not (text or "").strip():
            return None
        zone = self.timezone.data or ""
        try:
            wall = datetime.fromisoformat((text or "").strip())
            if wall.tzinfo is not None or not 2000 < wall.year < 9000:
                raise ValueError
        except ValueError:
            raise ValueError("is no date and time; write one such as 2026-11-24 09:00") from None
        if not zones.exists(zone):
            return wall.replace(tzinfo=UTC)  # the zone is what is wrong, and told
        found = wall.replace(tzinfo=zones.zone(zone), fold=fold)
        if found.astimezone(UTC).astimezone(found.tzinfo).replace(tzinfo=None, fold=0) != wall:
            raise ValueError(f"does not exist in {zones.city(zone)}: clocks go forward then; write another time")
        return found.astimezone(UTC)


_NOT_OF = {
    "once": ("expression", "duration_seconds", "ical_url"),
    "repeating": ("ical_url",),
    "calendar": ("expression", "duration_seconds", "starts_at", "ends_at"),
}
"""What a hidden field of another kind still holds is not meant."""


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say `values` (core.window_draft.WindowDraft, as a dictionary), for the form of a known window."""
    bounds = [_wall(values["starts_at"], values["timezone"]), _wall(values["ends_at"], values["timezone"])]
    once = values["kind"] == "once"
    return {
        "name": values["name"],
        "kind": values["kind"],
        "starts": bounds[0] if once else "",
        "ends": bounds[1] if once else "",
        "since": "" if once else bounds[0],
        "until": "" if once else bounds[1],
        "expression": values["expression"],
        "duration": durations.long(values["duration_seconds"]) if values["duration_seconds"] else "",
        "ical_url": values["ical_url"],
        "timezone": values["timezone"],
        "scope": "everything" if values["everything"] else "some",
        "tags": ", ".join(values["tags"]),
    }


def _wall(at: datetime | None, timezone: str) -> str:
    """What the clocks of the zone show, as a field of date and time has it; seconds only where there are some."""
    if at is None:
        return ""
    local = at.astimezone(zones.zone(timezone)).replace(tzinfo=None, microsecond=0)
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def _length(text: str | None) -> int | None:
    return durations.parse(text or "") if (text or "").strip() else None
