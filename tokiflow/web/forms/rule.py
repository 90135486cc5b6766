"""The forms of a rule and of the quiet hours: what people tick and type, and the values it means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wtforms import BooleanField, HiddenField, RadioField, SelectField, SelectMultipleField, StringField, widgets

from tokiflow import errors
from tokiflow.core import durations, hours, ids, rule_draft
from tokiflow.core.hours import Hours
from tokiflow.core.routing import Rule
from tokiflow.web.forms.base import Form, VersionedForm, choices
from tokiflow.web.forms.monitor import zone_choices

SEVERITIES = {"critical": "Critical: it is down", "warning": "Warning: it runs, but not as usual"}
KINDS = {
    "missed": "Missed: no ping came in time",
    "overrun": "Overrun: a run takes too long",
    "failed": "Failed: the job said so",
    "anomaly": "Anomaly: a run is far from usual",
    "degraded": "Degraded: runs have become slower",
}
DAYS = [(str(n), day[:3]) for n, day in enumerate(hours.DAYS)]


def _ticks(label: str, named: Sequence[tuple[str, str]] = ()) -> SelectMultipleField:
    return SelectMultipleField(
        label, choices=choices(named), validate_choice=False, option_widget=widgets.CheckboxInput(),
        widget=widgets.ListWidget(prefix_label=False),
    )  # fmt: skip


class RuleForm(VersionedForm):
    """When, who at once, who later. `count` is how many steps the form shows."""

    count = HiddenField(default="1")
    name = StringField("Name")
    severities = _ticks("Severity", list(SEVERITIES.items()))
    kinds = _ticks("Kind", list(KINDS.items()))
    tags = StringField("Tagged")
    without = StringField("Not tagged")
    environments = StringField("Environment")
    days = _ticks("Days", DAYS)
    start = StringField("From")
    end = StringField("To")
    timezone = SelectField("Time zone", choices=zone_choices, validate_choice=False)
    who = RadioField(
        "Tell at once",
        choices=choices([("some", "Only some channels"), ("everybody", "Every channel")]),
        default="some",
        validate_choice=False,
    )
    step_0 = _ticks("Channels")
    step_1 = _ticks("Tell")
    step_2 = _ticks("Tell")
    step_3 = _ticks("Tell")
    step_4 = _ticks("Tell")
    wait_1 = StringField("After")
    wait_2 = StringField("After")
    wait_3 = StringField("After")
    wait_4 = StringField("After")
    remind = StringField("Remind every")
    last = BooleanField("Stop here")

    @classmethod
    def of(cls, rule: Rule, version: int, timezone: str) -> RuleForm:
        """The form for editing `rule`; on a POST it holds what was written."""
        condition = rule.condition
        waits = {f"wait_{n}": durations.long(wait) for n, wait in enumerate(rule.waits, start=1)}
        steps = {f"step_{n}": [ids.public("chn", id) for id in step] for n, step in enumerate(rule.steps)}
        return cls(
            version=str(version),
            count=str(len(rule.steps)),
            name=rule.name,
            severities=list(condition.severities),
            kinds=list(condition.kinds),
            tags=", ".join(sorted(condition.tags)),
            without=", ".join(sorted(condition.without)),
            environments=", ".join(sorted(condition.environments)),
            who="everybody" if rule.everybody else "some",
            remind=durations.long(rule.remind) if rule.remind else "",
            last=rule.last,
            **_hours_typed(condition.hours, timezone),
            **waits,
            **steps,
        )

    def offer_channels(self, named: Sequence[tuple[str, str]]) -> None:
        """The channels there are, as (public id, name)."""
        for n in range(rule_draft.MOST_STEPS):
            self[f"step_{n}"].choices = choices(named)

    @property
    def shown(self) -> list[int]:
        """The steps after the first that the form shows."""
        written = str(self.count.data or "")
        count = int(written) if written.isascii() and written.isdigit() and len(written) < 3 else 1
        return list(range(1, min(max(count, 1), rule_draft.MOST_STEPS)))

    @property
    def has_room(self) -> bool:
        """Whether another step may be added."""
        return len(self.shown) + 1 < rule_draft.MOST_STEPS

    def add_step(self) -> None:
        """Show one more step."""
        self.count.data = str(len(self.shown) + 2)

    def read(self) -> dict[str, Any]:
        """What was written, as core.rule_draft takes it. A step of which nothing is said is left out. Raises Invalid
        for what can't be read."""
        mistakes: dict[str, list[str]] = {}
        said = [n for n in self.shown if self._text(f"wait_{n}") or self[f"step_{n}"].data]
        waits = [self._length(f"wait_{n}", mistakes) for n in said]
        remind = self._length("remind", mistakes) if self._text("remind") else None
        if mistakes:
            raise errors.Invalid(mistakes)
        return {
            "name": self.name.data or "",
            "severities": list(self.severities.data or ()),
            "kinds": list(self.kinds.data or ()),
            "tags": _words(self.tags.data),
            "without": _words(self.without.data),
            "environments": _words(self.environments.data),
            **_hours_meant(self),
            "everybody": self.who.data == "everybody",
            "last": bool(self.last.data),
            "steps": [list(self[f"step_{n}"].data or ()) for n in (0, *said)],
            "waits": waits,
            "remind_seconds": remind,
        }

    def refuse(self, refused: errors.Invalid) -> None:
        """Show what is wrong beside the fields it is about."""
        said = [n for n in self.shown if self._text(f"wait_{n}") or self[f"step_{n}"].data]
        places = {f"{what}_{n}": f"{what}_{place}" for n, place in enumerate(said, 1) for what in ("wait", "step")}
        named = {**places, "from": "start", "to": "end", "remind_seconds": "remind"}
        self.take(errors.Invalid({named.get(name, name): why for name, why in refused.fields.items()}))

    def _text(self, name: str) -> str:
        return str(self[name].data or "").strip()

    def _length(self, name: str, mistakes: dict[str, list[str]]) -> int:
        try:
            return durations.parse(self._text(name))
        except ValueError as error:
            mistakes[name] = [str(error)]
            return 0


class QuietHoursForm(Form):
    """When warnings wait."""

    quiet_days = _ticks("Nights that begin on", DAYS)
    start = StringField("From")
    end = StringField("To")
    timezone = SelectField("Time zone", choices=zone_choices, validate_choice=False)

    @classmethod
    def of(cls, quiet: Hours | None, timezone: str, **given: Any) -> QuietHoursForm:
        """The form with the hours there are; on a POST it holds what was written."""
        typed = _hours_typed(quiet or Hours(timezone=timezone), timezone)
        return cls(**{"quiet_days": typed.pop("days"), **typed, **given})

    def read(self) -> dict[str, Any]:
        """What was written, as services.routing.set_quiet_hours takes it."""
        return _hours_meant(self, "quiet_days")

    def refuse(self, refused: errors.Invalid) -> None:
        """Show what is wrong beside the fields it is about."""
        named = {"from": "start", "to": "end", "days": "quiet_days"}
        self.take(errors.Invalid({named.get(name, name): why for name, why in refused.fields.items()}))


def _hours_typed(chosen: Hours, timezone: str) -> dict[str, Any]:
    """The fields that say `chosen`. Where no hours are chosen the zone is the person's."""
    return {
        "days": [str(day) for day in sorted(chosen.days)],
        "start": f"{chosen.start:%H:%M}" if chosen.start else "",
        "end": f"{chosen.end:%H:%M}" if chosen.end else "",
        "timezone": timezone if chosen.always else chosen.timezone,
    }


def _hours_meant(form: Form, days: str = "days") -> dict[str, Any]:
    ticked = [int(day) for day in form[days].data or () if day in dict(DAYS)]
    return {
        "days": ticked, "from": (form["start"].data or "").strip(), "to": (form["end"].data or "").strip(),
        "timezone": form["timezone"].data or "",
    }  # fmt: skip


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
