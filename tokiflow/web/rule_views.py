"""A rule as people read it: when it speaks, whom it tells, and what comes after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tokiflow.core import durations, hours, ids, routing
from tokiflow.core.routing import Condition, Rule
from tokiflow.queries.routing import Listener

KIND_WORDS = {
    "missed": "a missed ping", "overrun": "an overrun", "failed": "a failure", "anomaly": "an anomaly",
    "degraded": "a slowdown",
}  # fmt: skip
SEVERITY_WORDS = {"critical": "critical", "warning": "a warning"}

Listeners = Mapping[UUID, Listener]


@dataclass(frozen=True, slots=True)
class StepView:
    """Who is told, and after how long: "15 min", or "" for at once."""

    after: str
    names: tuple[str, ...]
    everybody: bool = False


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule of the list. `warning` says why it does not do what it seems to."""

    id: str
    name: str
    when: str
    steps: tuple[StepView, ...]
    remind: str
    enabled: bool
    last: bool
    fallback: bool
    warning: str


def of(rule: Rule, listeners: Listeners) -> RuleView:
    """How `rule` reads among the channels `listeners`."""
    return RuleView(
        id=ids.public("rul", rule.id) if rule.id else "",
        name=rule.name,
        when="For all that no rule above speaks of" if rule.fallback else when(rule.condition),
        steps=tuple(_step(rule, n, listeners) for n in range(len(rule.steps))),
        remind=every(rule.remind) if rule.remind else "",
        enabled=rule.enabled,
        last=rule.last,
        fallback=rule.fallback,
        warning=_warning(rule, listeners) if rule.enabled else "",
    )


def listing(rules: Sequence[Rule], listeners: Listeners) -> list[RuleView]:
    """Every rule in the order in which it is asked; the default rule last, also if nobody has written it."""
    fallback = next((rule for rule in rules if rule.fallback), routing.DEFAULT)
    return [of(rule, listeners) for rule in (*(rule for rule in rules if not rule.fallback), fallback)]


def when(condition: Condition) -> str:
    """`When trouble is critical, tagged db and in production, 09:00–17:00 in Berlin`."""
    severities = [SEVERITY_WORDS[one] for one in condition.severities]
    kinds = [KIND_WORDS[one] for one in condition.kinds]
    parts = [routing.listed(words) for words in (severities, kinds) if words]
    if condition.tags:
        parts.append(f"tagged {routing.listed(condition.tags)}")
    if condition.without:
        parts.append(f"not tagged {routing.listed(condition.without)}")
    if condition.environments:
        parts.append(f"in {routing.listed(condition.environments)}")
    said = f"When trouble is {all_of(parts)}" if parts else "For all trouble"
    return said if condition.hours.always else f"{said}, {hours.words(condition.hours)}"


def all_of(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`: in their order."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def length(seconds: int) -> str:
    """`15 minutes`, `1 hour`: how people say a wait."""
    return durations.long(seconds)


def every(seconds: int) -> str:
    """`every 15 minutes`, `every hour`."""
    words = durations.long(seconds)
    number, _, unit = words.partition(" ")
    return f"every {unit if number == '1' and ' ' not in unit else words}"


def names_of(channel_ids: Iterable[UUID], listeners: Listeners) -> tuple[str, ...]:
    """Their names, in the alphabet's order, and which of them hear nothing."""
    chosen = (listeners[id] for id in channel_ids if id in listeners)
    return tuple(
        one.name if one.enabled else f"{one.name} (disabled)"
        for one in sorted(chosen, key=lambda one: one.name.casefold())
    )


def _step(rule: Rule, n: int, listeners: Listeners) -> StepView:
    after = length(rule.waits[n - 1]) if n else ""
    if n == 0 and rule.everybody:
        return StepView(after, (), everybody=True)
    return StepView(after, names_of(rule.steps[n], listeners))


def _warning(rule: Rule, listeners: Listeners) -> str:
    for n in range(len(rule.steps)):
        chosen = [listeners[id] for id in rule.step(n, listeners) if id in listeners]
        if n and not chosen:
            return f"Step {n + 1} tells nobody: its channels were deleted."
        if chosen and not any(one.enabled for one in chosen):
            return f"Nobody hears {'of it' if not n else f'of step {n + 1}'}: {_channels(chosen)} disabled."
    if rule.fallback and not rule.everybody and not rule.steps[0]:
        return "What no rule speaks of is told to nobody."
    return ""


def _channels(chosen: Sequence[Listener]) -> str:
    return "its channel is" if len(chosen) == 1 else "its channels are"
