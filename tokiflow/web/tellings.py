"""Who was told of an incident, when and how; who is told next; and why somebody was not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.core.routing import Rule
from tokiflow.models import Channel, FollowUp, Incident
from tokiflow.queries.alerts import AlertRecord
from tokiflow.queries.routing import Listener
from tokiflow.services.follow_up_rows import SNOOZED
from tokiflow.services.news import TROUBLE
from tokiflow.web import filters, rule_views, trials
from tokiflow.web.trials import Trial

NAMED = 5
FOLDED_FROM = 6
FIRST = 4
ARRIVED = ("sent", "merged")

_HEADS = {
    "opened": "That it began",
    "reopened": "That it came back",
    "flapping": "That it comes and goes",
    "escalated": "That nobody had acknowledged it",
    "reminder": "That it goes on",
    "acknowledged": "That somebody is on it",
    "assigned": "Whose it is",
    "muted": "That it is muted",
    "unmuted": "That it is muted no more",
    "resolved": "That it is over",
}


_SILENCES = {
    "muted": "the mute", "maintenance": "maintenance", "quiet_hours": "the quiet hours",
    "dependency": "the trouble that it depends on",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Telling:
    """One alert and where it went: first what has not arrived, then what has.

    `because` chose all of its channels; it is empty where each says by itself what chose it.
    """

    id: str
    head: str
    at: datetime
    because: str
    pressing: tuple[Trial, ...]
    arrived: tuple[Trial, ...]

    @property
    def folded(self) -> bool:
        """Whether so many have it that their names are enough, until somebody asks."""
        return len(self.arrived) > FOLDED_FROM

    @property
    def names(self) -> str:
        """Who has it, the first few by name."""
        names = [one.channel_name for one in self.arrived]
        more = len(names) - FIRST
        return f"{', '.join(names[:FIRST])} and {filters.count(more, 'other')}"


@dataclass(frozen=True, slots=True)
class Coming:
    """What happens at `at` unless somebody acknowledges before, or unless it is over by then (`until_over`), or when a
    silence ends (`at` is None then)."""

    at: datetime | None
    names: tuple[str, ...]
    why: str
    until_over: bool = False


@dataclass(frozen=True, slots=True)
class Untold:
    """Channels that heard nothing for one reason: the first few by name, and how many more."""

    names: tuple[str, ...]
    more: int
    why: str


def tellings(alerts: Sequence[AlertRecord], now: datetime) -> list[Telling]:
    """Every alert that went somewhere, with its deliveries, newest first."""
    return [_telling(record, now) for record in reversed(alerts) if record.deliveries]


def _telling(record: AlertRecord, now: datetime) -> Telling:
    made = [trials.trial(one.delivery, one.delivery.channel, one.attempts, now) for one in record.deliveries]
    reasons = {one.because for one in made}
    because = reasons.pop() if len(made) > 1 and len(reasons) == 1 else ""
    if because:
        made = [replace(one, because="") for one in made]
    return Telling(
        id=f"alert-{record.alert.id}",
        head=_HEADS.get(record.alert.news, record.alert.news.capitalize()),
        at=record.alert.created_at,
        because=because,
        pressing=tuple(sorted((one for one in made if one.status not in ARRIVED), key=lambda one: one.status)),
        arrived=tuple(one for one in made if one.status in ARRIVED),
    )


def standing(found: Sequence[Telling]) -> str:
    """What has not arrived, in words: `1 given up, 2 on the way`. Empty if all has."""
    pressing = [one.status for telling in found for one in telling.pressing]
    dead, pending = pressing.count("dead"), pressing.count("pending")
    return ", ".join([f"{dead} given up"] * bool(dead) + [f"{pending} on the way"] * bool(pending))


def coming(follow_ups: Sequence[FollowUp], channels: Sequence[Channel], rules: Sequence[Rule]) -> list[Coming]:
    """What is still to be told, as the rules are now, the soonest first."""
    listeners = {one.id: Listener(one.id, one.kind, one.name, one.enabled) for one in channels}
    known = {rule.id: rule for rule in rules}
    return [_coming(one, known.get(one.rule_id), listeners) for one in follow_ups if one.done_at is None]


def _coming(one: FollowUp, rule: Rule | None, listeners: Mapping[UUID, Listener]) -> Coming:
    if one.kind == "held":
        return Coming(None, (), f"Held back: {one.words}. Whoever the rules choose is told then, unless it is over.")
    if one.reason == SNOOZED:
        return Coming(one.at, (), "whoever was told of it is reminded, as its snooze is over", until_over=True)
    if one.kind == "reminder":
        return Coming(
            one.at, (), f"those again whom “{rule.name}” has told" if rule else "nobody: the rule was deleted"
        )
    if rule is None or not rule.enabled:
        return Coming(one.at, (), f"nobody: the rule was {'disabled' if rule else 'deleted'}")
    names = rule_views.names_of(rule.step(one.step, listeners), listeners)
    waits = f"; it waits for the end of {_SILENCES[one.reason]}" if one.reason in _SILENCES else ""
    return Coming(one.at, names or ("nobody",), one.words + waits)


def untold(
    incident: Incident,
    channels: Sequence[Channel],
    alerts: Sequence[AlertRecord],
    follow_ups: Sequence[FollowUp],
    rules: Sequence[Rule],
) -> list[Untold]:
    """The organization's channels that this incident was not sent to, by reason."""
    heard = {one.delivery.channel_id for record in alerts for one in record.deliveries}
    why = _reasons(incident, alerts, follow_ups, rules)
    reasons: dict[str, list[str]] = {}
    for channel in channels:
        if channel.id not in heard:
            reasons.setdefault(next(why(channel)), []).append(channel.name)
    return [Untold(tuple(names[:NAMED]), max(len(names) - NAMED, 0), why) for why, names in reasons.items()]


def _reasons(
    incident: Incident, alerts: Sequence[AlertRecord], follow_ups: Sequence[FollowUp], rules: Sequence[Rule]
) -> Callable[[Channel], Iterator[str]]:
    """For a channel: the reasons that hold, the one to be told first. What was recorded then comes before what can be
    seen now."""
    latest = next((one.alert for one in reversed(alerts) if one.alert.kind in TROUBLE), None)
    decision: Mapping[str, Any] = latest.decision if latest else {}
    held = next((one for one in reversed(follow_ups) if one.kind == "held" and _is_the_latest(one, latest)), None)

    own = not decision["rules"] if decision else incident.monitor.own_channels

    def why(channel: Channel) -> Iterator[str]:
        if held is not None:
            yield _held_back(held)
        if chosen := decision.get("disabled", {}).get(str(channel.id)):
            yield f"Disabled when people were told; else it would have been told {chosen}."
        if own:
            yield "This monitor has channels of its own, and this is none of them."
        yield from _of_steps(channel, follow_ups, rules)
        yield from _of_rules(channel, decision, rules, matched=False)
        if not channel.enabled:
            yield f"Disabled: {channel.disabled_reason}" if channel.disabled_reason else "Disabled."
        if latest is not None and channel.created_at > latest.created_at:
            yield "Added after people were told of this trouble."
        yield from _of_rules(channel, decision, rules, matched=True)
        yield "No rule that spoke names it." if decision else "Nobody has been told of this trouble yet."

    return why


def _is_the_latest(held: FollowUp, latest: Any) -> bool:
    """Whether nobody has heard of the trouble that `held` tells of."""
    return held.outcome != "Told then." and (latest is None or held.created_at > latest.created_at)


def _held_back(held: FollowUp) -> str:
    if held.done_at is None:
        return f"Held back: {held.words}."
    return f"It was over before it was to be told; until then it was held back: {held.words}."


def _of_steps(channel: Channel, follow_ups: Sequence[FollowUp], rules: Sequence[Rule]) -> Iterator[str]:
    """It was, or is, to be told later."""
    known = {rule.id: rule for rule in rules}
    for one in follow_ups:
        rule = known.get(one.rule_id)
        if one.kind != "escalation" or rule is None or channel.id not in rule.step(one.step, ()):
            continue
        due = f"Not before {filters.clock(one.at)}, {one.words}"
        yield f"{due}, unless somebody acknowledges." if one.done_at is None else f"{due}. {one.outcome}"


def _of_rules(channel: Channel, decision: Mapping[str, Any], rules: Sequence[Rule], *, matched: bool) -> Iterator[str]:
    """A rule names it and kept silent; or spoke, but did not name it then."""
    naming = {str(rule.id) for rule in rules if rule.id and channel.id in rule.step(0, (channel.id,))}
    asked = [said for said in decision.get("rules", ()) if said["id"] in naming and said["matched"] is matched]
    if asked and matched:
        yield f"“{asked[0]['name']}” names it by now, but did not when people were told."
    elif asked:
        yield " ".join(f"“{said['name']}” would tell it, but kept silent: {said['why']}." for said in asked)
