"""Who is told: rules, asked in order, and why each spoke or kept silent.

Every enabled rule whose condition holds adds its channels; one that says "stop here" is the last to be asked. The
default rule speaks only where no other did. A monitor that names channels of its own is not for rules to decide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.core import hours
from tokiflow.core.hours import Hours

SEVERITIES = ("critical", "warning")
KINDS = ("missed", "overrun", "failed", "anomaly", "degraded")
OWN = "because the monitor names it"
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Subject:
    """What there is to tell of. `own` are the channels the monitor names for itself, None if it names none."""

    severity: str
    kind: str
    tags: frozenset[str] = NOTHING
    environment: str = ""
    own: frozenset[UUID] | None = None


@dataclass(frozen=True)
class Condition:
    """When a rule speaks: all of what is said here must hold, and what is left empty always does.

    One of `tags` is enough, and none of `without` may be there. Capitals make no difference.
    """

    severities: frozenset[str] = NOTHING
    kinds: frozenset[str] = NOTHING
    tags: frozenset[str] = NOTHING
    without: frozenset[str] = NOTHING
    environments: frozenset[str] = NOTHING
    hours: Hours = field(default_factory=Hours)


@dataclass(frozen=True)
class Rule:
    """`steps[0]` are told at once (all enabled channels if it is for `everybody`), `steps[n]` after `waits[n - 1]`
    seconds without acknowledgement; those told are reminded every `remind` seconds. Without an `id` it is the default
    of an organization that has written none."""

    id: UUID | None
    name: str
    condition: Condition = field(default_factory=Condition)
    steps: tuple[frozenset[UUID], ...] = (frozenset(),)
    waits: tuple[int, ...] = ()
    remind: int | None = None
    enabled: bool = True
    fallback: bool = False
    everybody: bool = False
    last: bool = False

    def step(self, number: int, all_channels: Iterable[UUID]) -> frozenset[UUID]:
        """The channels of step `number`; none if it has no such step any more."""
        if number == 0 and self.everybody:
            return frozenset(all_channels)
        return self.steps[number] if number < len(self.steps) else frozenset()


DEFAULT = Rule(None, "Default", fallback=True, everybody=True)


@dataclass(frozen=True)
class Verdict:
    """Whether `rule` spoke, and if not, why not."""

    rule: Rule
    matched: bool
    why: str = ""


@dataclass(frozen=True)
class Routing:
    """`by`: for each channel that is told at once, what chose it, in words: "by the rule “Database”". `verdicts` are
    empty where the monitor's own channels decided."""

    by: Mapping[UUID, str]
    verdicts: Sequence[Verdict] = ()

    @property
    def matched(self) -> list[Rule]:
        """The rules that spoke, in their order."""
        return [verdict.rule for verdict in self.verdicts if verdict.matched]


def route(rules: Sequence[Rule], subject: Subject, at: datetime, all_channels: Collection[UUID]) -> Routing:
    """Who is told of `subject` at `at`. Whether a channel is enabled is for the caller to ask."""
    if subject.own is not None:
        return Routing({channel: OWN for channel in sorted(subject.own) if channel in all_channels})
    verdicts = judge(rules, subject, at)
    chosen: dict[UUID, list[str]] = {}
    for verdict in verdicts:
        if verdict.matched:
            for channel in verdict.rule.step(0, all_channels):
                chosen.setdefault(channel, []).append(verdict.rule.name)
    return Routing({channel: named(chosen[channel]) for channel in sorted(chosen) if channel in all_channels}, verdicts)


def judge(rules: Sequence[Rule], subject: Subject, at: datetime) -> list[Verdict]:
    """Ask each rule in order, the default rule last."""
    found: list[Verdict] = []
    stopped = spoke = ""
    for rule in (rule for rule in rules if not rule.fallback):
        why = _silent(rule, stopped) or why_not(rule.condition, subject, at)
        found.append(Verdict(rule, not why, why))
        if not why:
            spoke = spoke or rule.name
            stopped = rule.name if rule.last else stopped
    fallback = next((rule for rule in rules if rule.fallback), DEFAULT)
    # It must not be possible to switch off by accident what catches all that nobody thought of.
    found.append(
        Verdict(fallback, not spoke, f"“{spoke}” spoke, and this is for what no rule speaks of" if spoke else "")
    )
    return found


def why_not(condition: Condition, subject: Subject, at: datetime) -> str:
    """Why `condition` does not hold: `not a warning`, `outside 09:00–17:00 in Berlin`; empty if it does."""
    if condition.severities and subject.severity not in condition.severities:
        return f"not {_kind_words(condition.severities)}"
    if condition.kinds and subject.kind not in condition.kinds:
        return f"not {_kind_words(condition.kinds)}"
    tags = _folded(subject.tags)
    if condition.tags and not tags & _folded(condition.tags):
        return f"not tagged {listed(condition.tags)}"
    if unwanted := sorted(tag for tag in condition.without if tag.casefold() in tags):
        return f"tagged {unwanted[0]}"
    if condition.environments and subject.environment.casefold() not in _folded(condition.environments):
        return f"not in {listed(condition.environments)}"
    if not condition.hours.contain(at):
        return f"outside {hours.words(condition.hours).removeprefix('on ')}"
    return ""


def named(names: Sequence[str]) -> str:
    """`by the rule “Database”`, `by the rules “Database” and “Nights”`; the default rule needs no quotation marks."""
    if list(names) == [DEFAULT.name]:
        return "by the default rule"
    quoted = [f"“{name}”" for name in names]
    return f"by the rule {quoted[0]}" if len(quoted) == 1 else f"by the rules {', '.join(quoted[:-1])} and {quoted[-1]}"


def listed(words: Iterable[str], last: str = "or") -> str:
    """`db`, `db or web`, `a, b or c`: sorted."""
    ordered = sorted(words)
    return ordered[0] if len(ordered) == 1 else f"{', '.join(ordered[:-1])} {last} {ordered[-1]}"


def to_json(condition: Condition) -> dict[str, Any]:
    """What is kept of it. `from_json` reads it again."""
    kept = {name: sorted(chosen) for name in _SETS if (chosen := getattr(condition, name))}
    return kept | hours.to_json(condition.hours)


def from_json(kept: Mapping[str, Any]) -> Condition:
    """The condition that `to_json` made `kept` of."""
    return Condition(hours=hours.from_json(kept), **{name: frozenset(kept.get(name, ())) for name in _SETS})


_SETS = ("severities", "kinds", "tags", "without", "environments")
_KIND_WORDS = {
    "critical": "critical", "warning": "a warning", "missed": "missed", "overrun": "an overrun", "failed": "failed",
    "anomaly": "an anomaly", "degraded": "degraded",
}  # fmt: skip


def _silent(rule: Rule, stopped: str) -> str:
    if not rule.enabled:
        return "it is disabled"
    return f"“{stopped}” comes first and says to stop there" if stopped else ""


def _kind_words(kinds: Iterable[str]) -> str:
    return listed(_KIND_WORDS[kind] for kind in kinds)


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.casefold() for word in words)
