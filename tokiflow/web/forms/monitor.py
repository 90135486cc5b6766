"""The form of a monitor: what people type, and the values it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from wtforms import (
    BooleanField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    widgets,
)
from wtforms.fields.choices import SelectChoice

from tokiflow import errors
from tokiflow.core import durations
from tokiflow.core.schedule import zones
from tokiflow.web.forms.base import DraftForm, Reading, choices

KINDS = {"every": "Every so often", "cron": "Cron", "calendar": "Calendar"}
SENSITIVITIES = {"off": "Off", "low": "Low", "normal": "Normal", "high": "High"}
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


@cache
def zone_choices() -> list[SelectChoice]:
    """Every time zone to choose from, UTC first."""
    names = (name for name in sorted(zones.names()) if name != "UTC")
    return choices([("", "Choose a time zone"), ("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)])


class MonitorForm(DraftForm):
    """One column, in the order in which one thinks of it. Lengths of time are typed as people say them."""

    name = StringField("Name")
    tags = StringField("Tags")
    kind = RadioField("Schedule", choices=choices(KINDS.items()), default="every", validate_choice=False)
    every_number = StringField("Every", default="1")
    every_unit = SelectField("Unit", choices=list(UNITS), default="hours", validate_choice=False)
    cron_expression = StringField("Cron expression")
    calendar_expression = TextAreaField("Calendar lines")
    timezone = SelectField("Time zone", choices=zone_choices, validate_choice=False)
    grace = StringField("Grace", default="5 min")
    max_runtime = StringField("Longest run time")
    early_tolerance = StringField("Early tolerance")
    failures_to_open = StringField("Down after", default="1")
    successes_to_resolve = StringField("Up again after", default="1")
    overlaps_allowed = BooleanField("Runs may overlap", default=True)
    capture_output = BooleanField("Keep what the job prints", default=True)
    sensitivity = RadioField(
        "Tell of runs that are unlike the usual", choices=choices(SENSITIVITIES.items()), default="normal",
        validate_choice=False,
    )  # fmt: skip
    heard_by = RadioField(
        "Who hears of it",
        choices=choices([("all", "Whom the rules choose"), ("own", "Its own channels")]),
        default="all",
        validate_choice=False,
    )
    channels = SelectMultipleField(
        "Channels",
        choices=[],
        validate_choice=False,
        option_widget=widgets.CheckboxInput(),
        widget=widgets.ListWidget(prefix_label=False),
    )
    depends_on = SelectMultipleField("Depends on", choices=[], validate_choice=False)
    depends_on_words = StringField("Find a monitor")
    description = TextAreaField("Description")

    def offer_channels(self, named: Sequence[tuple[str, str]]) -> None:
        """The channels there are, as (public id, name)."""
        self.channels.choices = choices(named)

    def read(self) -> Reading:
        """What was typed, as the values that drafts and services take, and what cannot be read at all."""
        reading = Reading()
        reading.take("name", lambda: self.name.data or "")
        reading.take("description", lambda: self.description.data or "")
        reading.take("tags", lambda: [tag for tag in (self.tags.data or "").split(",") if tag.strip()])
        reading.take("overlaps_allowed", lambda: bool(self.overlaps_allowed.data))
        reading.take("capture_output", lambda: bool(self.capture_output.data))
        # Who sends the form without it leaves it as it is.
        if self.sensitivity.raw_data:
            reading.take("sensitivity", lambda: self.sensitivity.data)
        reading.take("channels", lambda: list(self.channels.data or []) if self.heard_by.data == "own" else None)
        reading.take("grace_seconds", lambda: _length(self.grace.data))
        if (self.max_runtime.data or "").strip():
            reading.take("max_runtime_seconds", lambda: durations.parse(self.max_runtime.data))
        reading.take(
            "early_tolerance_seconds", lambda: durations.parse((self.early_tolerance.data or "").strip() or "0")
        )
        reading.take("failures_to_open", lambda: _whole(self.failures_to_open.data))
        reading.take("successes_to_resolve", lambda: _whole(self.successes_to_resolve.data))
        reading.take("schedule", self.schedule)
        return reading

    def schedule(self) -> dict[str, Any]:
        """The schedule as the API writes it. Raises Invalid for an interval that is no number."""
        kind = self.kind.data
        if kind == "every":
            return {"kind": "every", "seconds": self._interval()}
        typed = self.cron_expression.data if kind == "cron" else self.calendar_expression.data
        return {"kind": kind, "expression": typed or "", "timezone": self.timezone.data or ""}

    def _interval(self) -> int:
        try:
            number = float((self.every_number.data or "").strip().replace(",", "."))
            return round(number * UNITS[self.every_unit.data or "hours"])
        except (ValueError, KeyError, OverflowError):
            raise errors.Invalid({"schedule.seconds": ["Write a number, such as 15."]}) from None

    def refuse(self, refused: errors.Invalid) -> None:
        """Show what drafts and services find wrong beside the fields it is about."""
        fields: dict[str, list[str]] = {}
        for name, why in refused.fields.items():
            fields.setdefault(self._called(name), []).extend(why)
        self.take(errors.Invalid(fields))

    def _called(self, name: str) -> str:
        if name == "schedule.expression":
            return "cron_expression" if self.kind.data == "cron" else "calendar_expression"
        return _FIELDS.get(name, name)


_FIELDS = {
    "schedule": "kind",
    "schedule.kind": "kind",
    "schedule.seconds": "every_number",
    "schedule.timezone": "timezone",
    "grace_seconds": "grace",
    "max_runtime_seconds": "max_runtime",
    "early_tolerance_seconds": "early_tolerance",
}


def _length(text: str | None) -> int:
    """Seconds; an empty field is none."""
    return durations.parse((text or "").strip() or "0")


def _whole(text: str | None) -> int:
    typed = (text or "").strip()
    if not (typed.isascii() and typed.isdigit() and len(typed) < 10):
        raise ValueError("Write a whole number from 1 to 100.")
    return int(typed)


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say `values` (as the API writes a monitor): what the form for a known monitor begins with."""
    schedule = values["schedule"]
    number, unit = _interval_typed(schedule.get("seconds") or 3600)
    expression = schedule.get("expression", "")
    return {
        "name": values["name"],
        "description": values["description"],
        "tags": ", ".join(values["tags"]),
        "kind": schedule["kind"],
        "every_number": number,
        "every_unit": unit,
        "cron_expression": expression if schedule["kind"] == "cron" else "",
        "calendar_expression": expression if schedule["kind"] == "calendar" else "",
        "timezone": schedule.get("timezone", ""),
        "grace": durations.long(values["grace_seconds"]),
        "max_runtime": durations.long(values["max_runtime_seconds"]),
        "early_tolerance": durations.long(values["early_tolerance_seconds"]),
        "failures_to_open": str(values["failures_to_open"]),
        "successes_to_resolve": str(values["successes_to_resolve"]),
        "overlaps_allowed": values["overlaps_allowed"],
        "capture_output": values["capture_output"],
        "sensitivity": values["sensitivity"],
        "heard_by": "all" if values["channels"] is None else "own",
        "channels": list(values["channels"] or ()),
        "depends_on": list(values["depends_on"]),
    }


def _interval_typed(seconds: int) -> tuple[str, str]:
    """`5400` → `("90", "minutes")`: the largest unit that leaves a whole number."""
    unit = next(unit for unit in reversed(UNITS) if seconds % UNITS[unit] == 0)
    return str(seconds // UNITS[unit]), unit
