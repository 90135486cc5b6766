"""Who would be told? The rules asked about trouble that has not happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

from tokiflow import errors
from tokiflow.core import ids, routing
from tokiflow.core.routing import Routing, Rule, Subject
from tokiflow.models import Monitor
from tokiflow.queries import monitors
from tokiflow.queries import routing as stored
from tokiflow.queries.routing import Audience, Listener
from tokiflow.services import contents, silences
from tokiflow.web import filters, rule_views

LONGEST_ENVIRONMENT = 80
PERFORMANCE = ("anomaly", "degraded")
LONGEST_CHAIN = 3
"""So many silences are followed, one after the other."""


@dataclass(frozen=True, slots=True)
class Question:
    """Trouble of `kind` with a monitor in `environment` at `at`. `written` is how the form says the moment."""

    monitor_id: str
    kind: str
    environment: str
    at: datetime
    written: str
    mistake: str = ""

    @property
    def severity(self) -> str:
        return "warning" if self.kind in PERFORMANCE else "critical"


@dataclass(frozen=True, slots=True)
class Heard:
    """A channel that would be told, and why; `off` if it would be but for being disabled."""

    id: str
    name: str
    why: str
    off: bool


@dataclass(frozen=True, slots=True)
class Later:
    """Who is told at `at`, `after` so long without acknowledgement."""

    at: datetime
    after: str
    names: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule, and what it said."""

    id: str
    name: str
    spoke: bool
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Who would be told at once, or when a silence ends; who later; who is reminded (how often, by which rule), what
    each rule said, and what would keep it silent. `own`: the monitor names its channels, so no rule was asked.
    `environment`: the monitor's last, where the question names none."""

    monitor: Monitor
    at_once: Sequence[Heard]
    later: Sequence[Later] = ()
    reminders: Sequence[tuple[str, str]] = ()
    rules: Sequence[Asked] = ()
    silences: Sequence[str] = field(default_factory=list)
    own: bool = False
    environment: str = ""

    @property
    def told(self) -> list[Heard]:
        return [one for one in self.at_once if not one.off]


def read(query: Mapping[str, str], now: datetime, zone: tzinfo) -> Question:
    """The question in an address; what it leaves open is the most likely: a failure, now."""
    kind = query.get("kind", "")
    written, mistake, at = query.get("at", "").strip()[:40], "", now
    if written:
        try:
            local = datetime.fromisoformat(written)
            if not 2000 < local.year < 9000:
                raise ValueError
            at = local if local.tzinfo else local.replace(tzinfo=zone)
        except ValueError:
            mistake = "It is no date and time; write it like 2026-11-24T09:00."
    return Question(
        monitor_id=query.get("monitor", "")[:60],
        kind=kind if kind in routing.KINDS else "failed",
        environment=query.get("environment", "").replace("\x00", "").strip()[:LONGEST_ENVIRONMENT],
        at=at,
        written=written,
        mistake=mistake,
    )


def answer(organization_id: UUID, question: Question) -> Answer | None:
    """What would happen; None if no monitor of the organization is named."""
    monitor = _monitor(organization_id, question.monitor_id)
    if monitor is None:
        return None
    people = stored.audience([organization_id], [monitor.id] if monitor.own_channels else ())
    silent, told_at = _silences(monitor, question, people)
    last_there = "" if question.environment else _last_environment(monitor)
    subject = Subject(
        severity=question.severity,
        kind=question.kind,
        tags=frozenset(monitor.tags),
        environment=question.environment or last_there,
        own=people.own[monitor.id] if monitor.own_channels else None,
    )
    found = people.route(organization_id, subject, told_at)
    listeners = people.listeners[organization_id]
    return Answer(
        monitor=monitor,
        at_once=[_heard(listeners[id], why) for id, why in found.by.items()],
        later=_later(found, told_at, listeners),
        reminders=[(rule_views.every(rule.remind), rule.name) for rule in found.matched if rule.remind],
        rules=[
            Asked(ids.public("rul", one.rule.id) if one.rule.id else "", one.rule.name, one.matched, one.why)
            for one in found.verdicts
        ],
        silences=silent,
        environment=last_there,
        own=monitor.own_channels,
    )


def _monitor(organization_id: UUID, public_id: str) -> Monitor | None:
    try:
        return monitors.find(organization_id, ids.parse("mon", public_id))
    except errors.NotFound:
        return None


def _heard(listener: Listener, why: str) -> Heard:
    return Heard(ids.public("chn", listener.id), listener.name, why, not listener.enabled)


def _later(found: Routing, at: datetime, listeners: Mapping[UUID, Listener]) -> list[Later]:
    steps = [(rule, n, wait) for rule in found.matched for n, wait in enumerate(rule.waits, start=1)]
    return [_step(rule, n, wait, at, listeners) for rule, n, wait in sorted(steps, key=lambda step: step[2])]


def _step(rule: Rule, n: int, wait: int, at: datetime, listeners: Mapping[UUID, Listener]) -> Later:
    names = rule_views.names_of((id for id in rule.steps[n] if id in listeners and listeners[id].enabled), listeners)
    why = f"by step {n + 1} of “{rule.name}”"
    return Later(at + timedelta(seconds=wait), rule_views.length(wait), names, why)


def _silences(monitor: Monitor, question: Question, people: Audience) -> tuple[list[str], datetime]:
    """What would hold it back, one after the other, each as a clause; and when people would be told, as far as that is
    known."""
    at, found = question.at, []
    for _ in range(LONGEST_CHAIN):
        silence = silences.of([monitor], at).get(monitor.id)
        silence = silence or silences.quiet(monitor.organization_id, question.severity, people, at)
        if silence is None:
            break
        found.append(silence.words)
        if silence.until is None or silence.until <= at:
            break
        at = silence.until
    return found, at


def _last_environment(monitor: Monitor) -> str:
    """Where the monitor last said that it runs, as it is for trouble of which nobody says where it is."""
    return contents.last_environment(contents.latest_runs([monitor.id]).get(monitor.id, []))


def written(at: datetime) -> str:
    """`at` as a field for date and time holds it, in the viewer's zone."""
    return f"{at.astimezone(filters.viewer().zone):%Y-%m-%dT%H:%M}"
