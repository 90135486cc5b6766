"""Decide who is told, and promise it: alert and delivery rows in the transaction of the incident itself.

What is to be done later is promised there too (models.FollowUp): the next step of an escalation, a reminder, and
news that must wait until a silence ends. services.follow_ups keeps those promises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from tokiflow import channels
from tokiflow.core import alerting, ids, sentences
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.routing import Routing, Rule, Subject
from tokiflow.db import among, db, on_commit
from tokiflow.models import Alert, Channel, Delivery, FollowUp, Incident, RoutingRule
from tokiflow.queries import routing
from tokiflow.queries.routing import Audience
from tokiflow.queue import Job, enqueue
from tokiflow.services import contents, sets, silences, timeline
from tokiflow.services import news as news_of
from tokiflow.services.contents import PastRun
from tokiflow.services.news import DONE_BY_PEOPLE, TROUBLE, Facts, News
from tokiflow.services.silences import Silence
from tokiflow.services.timeline import Step

RING_FOR = 200
"""So many deliveries one ring of the doorbell is for: it wakes the sender of one worker (services.sender)."""

JUDGED_AGAIN = timedelta(minutes=3)
"""So often it is asked whether a silence still holds: windows are shortened, and what a monitor depends on recovers."""

WAS_TOLD = "because it was told of the trouble"
OVER = "It was over by then."


@dataclass(frozen=True)
class Telling:
    """`news` goes to the channels in `by`, each with what chose it, in words. `decision` is why, for those who ask."""

    news: News
    by: Mapping[UUID, str]
    decision: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0


def plan(news: Sequence[News], now: datetime) -> None:
    """Promise to tell people of `news`, in their order, with a handful of statements.

    Trouble goes to whom the rules choose (core.routing) unless something silences it: then it is held back. A
    recovery goes to whoever was told of the trouble, whatever the rules say by now; what people do about it
    (news.DONE_BY_PEOPLE) to those of them that follow it.
    """
    if news:
        people = audience(news, only_own=_only_own(news))
        _carry_out(news, silences_of([one for one in news if one.kind in TROUBLE], people, now), people, now)


def release(news: Sequence[News], people: Audience, now: datetime) -> None:
    """Promise to tell of `news` that were held back, silenced or not."""
    _carry_out(news, {}, people, now)


def audience(news: Iterable[News], only_own: Collection[UUID] = ()) -> Audience:
    """Everybody who may hear of `news`. In the organizations `only_own` that is nobody but monitors' own channels."""
    rows = {one.row.id: one.row for one in news}.values()
    with_own = {row.id for row in rows if row.own_channels}
    return routing.audience({row.organization_id for row in rows}, with_own, only_own)


def _only_own(news: Sequence[News]) -> set[UUID]:
    """The organizations in whose `news` no rule has a say, and nobody who was told before."""
    others = {one.row.organization_id for one in news if one.kind not in TROUBLE or not one.row.own_channels}
    return {one.row.organization_id for one in news} - others


def silences_of(news: Sequence[News], people: Audience, now: datetime) -> dict[UUID, Silence]:
    """By incident: what keeps its trouble silent at `now`. Incidents that nothing silences are left out."""
    by_monitor = silences.of([one.row for one in news], now) if news else {}
    found = {}
    for one in news:
        silence = _muted(one, now) or by_monitor.get(one.row.id) or _quiet(one, people, now)
        if silence:
            found[one.incident.id] = silence
    return found


def judged_again_at(silence: Silence, now: datetime) -> datetime:
    """When to ask whether `silence` still holds."""
    soon = now + JUDGED_AGAIN
    return min(silence.until, soon) if silence.until and silence.until > now else soon


def promise(tellings: Sequence[Telling], people: Audience, runs: Mapping[UUID, list[PastRun]], now: datetime) -> None:
    """Write an alert for each of `tellings`, with a delivery for each of its channels, and ring for them after the
    commit."""
    alerts = [_alert(one, people, runs.get(one.news.row.id, [])) for one in tellings]
    deliveries = [
        {
            "id": ids.new(),
            "organization_id": alert["organization_id"],
            "alert_id": alert["id"],
            "channel_id": channel_id,
            "incident_id": alert["incident_id"],
            "next_attempt_at": now,
            "rung_at": now,
            "because": because,
            "created_at": now,
        }
        for alert, telling in zip(alerts, tellings, strict=True)
        for channel_id, because in telling.by.items()
    ]
    sets.insert(Alert, alerts)
    # Whoever deletes a channel just now is waited for, and then it hears nothing; the others do.
    promised = sets.insert(Delivery, deliveries, while_there={"channel_id": Channel})
    for start in range(0, len(promised), RING_FOR):
        on_commit(partial(enqueue, Job.DELIVER, promised[start : start + RING_FOR]))


def promise_later(those: Sequence[FollowUp]) -> None:
    """Write these promises down. What a rule was to do that is being deleted just now is not promised."""
    sets.add(those, while_there={"rule_id": RoutingRule})


def told(incident_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """By incident: the channels that were told, or are still to be told, of it."""
    found: dict[UUID, list[UUID]] = {}
    if incident_ids:
        statement = select(Delivery.incident_id, Delivery.channel_id).distinct().order_by(Delivery.channel_id)
        statement = statement.where(among(Delivery.incident_id, incident_ids), Delivery.status != "dead")
        for incident_id, channel_id in db.session.execute(statement):
            assert incident_id is not None
            found.setdefault(incident_id, []).append(channel_id)
    return found


def reminder(incident: Incident, rule: Rule, at: datetime) -> FollowUp:
    """The promise to remind at `at`, unless somebody acknowledges."""
    return _promised(incident, "reminder", at, rule_id=rule.id, words=f"as “{rule.name}” reminds")


def _carry_out(news: Sequence[News], silent: Mapping[UUID, Silence], people: Audience, now: datetime) -> None:
    news = _with_what_was_said(news)
    audible = [one for one in news if one.incident.id not in silent and one.row.organization_id in people.populated]
    runs = contents.latest_runs({one.row.id for one in audible})
    known = told({one.incident.id for one in news if one.kind not in TROUBLE})
    plan = _Plan(people, runs, silent, now, _end_what_waits(news, now), known)
    for one in news:
        plan.take(one)
    promise(plan.tellings, people, runs, now)
    timeline.write(*plan.steps)
    promise_later([one for found in plan.later.values() for one in found])


def _with_what_was_said(news: Sequence[News]) -> Sequence[News]:
    """`news`, in which a recovery knows what the job had said about the trouble."""
    said = news_of.told({one.incident.id for one in news if one.kind == "resolved"})
    said |= {one.incident.id: one.facts for one in news if one.kind in TROUBLE}
    nothing = Facts()
    return [replace(one, facts=said.get(one.incident.id, nothing)) if one.kind == "resolved" else one for one in news]


@dataclass
class _Plan:
    """What comes of news, taken in their order: one batch may bring trouble and its recovery.

    `unheard` are incidents that are over before anybody heard of their latest trouble; `told`, by incident, who was
    told so far; `later` what is promised for later.
    """

    people: Audience
    runs: Mapping[UUID, list[PastRun]]
    silent: Mapping[UUID, Silence]
    now: datetime
    unheard: set[UUID]
    told: dict[UUID, list[UUID]]
    tellings: list[Telling] = field(default_factory=list)
    later: dict[UUID, list[FollowUp]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def take(self, one: News) -> None:
        if one.kind == "resolved":
            self._recover(one)
        elif one.kind in DONE_BY_PEOPLE:
            self._tell(one, [id for id in self.told.get(one.incident.id, []) if self._follows(one, id)])
        elif silence := self.silent.get(one.incident.id):
            self._hold(one, silence)
        else:
            self._trouble(one)

    def _trouble(self, one: News) -> None:
        organization_id = one.row.organization_id
        if organization_id not in self.people.populated:
            return
        subject = Subject(
            severity=one.incident.severity,
            kind=one.incident.kind,
            tags=frozenset(one.row.tags),
            environment=contents.environment(one, self.runs.get(one.row.id, [])),
            own=self.people.own[one.row.id] if one.row.own_channels else None,
        )
        found = self.people.route(organization_id, subject, self.now)
        by = {id: why for id, why in found.by.items() if self.people.enabled(organization_id, id)}
        # Also when nobody is told: then somebody may ask why.
        self.tellings.append(Telling(one, by, _decision(found, by)))
        known = self.told.setdefault(one.incident.id, [])
        known += [id for id in by if id not in known]
        if one.incident.acknowledged_at is None:
            promised = [waiting for rule in found.matched for waiting in _by_rule(one.incident, rule, self.now)]
            self.later.setdefault(one.incident.id, []).extend(promised)

    def _hold(self, one: News, silence: Silence) -> None:
        held = _promised(
            one.incident, "held", judged_again_at(silence, self.now), reason=silence.reason, words=silence.words,
            blocked_by=silence.blocked_by, news=news_of.kept(one),
        )  # fmt: skip
        self.later.setdefault(one.incident.id, []).append(held)
        words = f"Told nobody yet: {silence.words}"
        self.steps.append(timeline.step(one.incident.id, "held", self.now, TOKIFLOW, words))

    def _recover(self, one: News) -> None:
        waiting = [promised for promised in self.later.get(one.incident.id, []) if promised.done_at is None]
        unheard = one.incident.id in self.unheard or any(promised.kind == "held" for promised in waiting)
        for promised in waiting:
            promised.done_at, promised.outcome = self.now, OVER
        self.unheard.discard(one.incident.id)
        if not unheard:
            known = self.told.get(one.incident.id, [])
            self._tell(one, [id for id in known if self.people.reachable(one.row.organization_id, id)])

    def _tell(self, one: News, channel_ids: Sequence[UUID]) -> None:
        if channel_ids:
            self.tellings.append(Telling(one, dict.fromkeys(channel_ids, WAS_TOLD)))

    def _follows(self, one: News, channel_id: UUID) -> bool:
        listener = self.people.listeners[one.row.organization_id].get(channel_id)
        return listener is not None and listener.enabled and one.kind in channels.get(listener.kind).follows


def _promised(incident: Incident, kind: str, at: datetime, **said: Any) -> FollowUp:
    """A row to be added. Each names every column, so that many are written at once."""
    usual: dict[str, Any] = {
        "rule_id": None,
        "step": 0,
        "reason": "",
        "words": "",
        "blocked_by": None,
        "news": {},
        "done_at": None,
        "outcome": "",
    }
    return FollowUp(
        id=ids.new(), organization_id=incident.organization_id, incident_id=incident.id, kind=kind, at=at,
        **{**usual, **said},
    )  # fmt: skip


def _by_rule(incident: Incident, rule: Rule, now: datetime) -> list[FollowUp]:
    """The later steps and the first reminder of `rule`, counted from when people are told."""
    if rule.id is None:
        return []
    steps = [
        _promised(
            incident, "escalation", now + timedelta(seconds=wait), rule_id=rule.id, step=n,
            words=f"by step {n + 1} of “{rule.name}”",
        )
        for n, wait in enumerate(rule.waits, start=1)
    ]  # fmt: skip
    if rule.remind:
        steps.append(reminder(incident, rule, now + timedelta(seconds=rule.remind)))
    return steps


def _end_what_waits(news: Sequence[News], now: datetime) -> set[UUID]:
    """Nobody needs the next step of what is over or in somebody's hands. The incidents that are over unheard."""
    over = {one.incident.id for one in news if one.kind == "resolved"}
    unheard = {id for id, kind in _end(over, ("held", "escalation", "reminder"), OVER, now) if kind == "held"}
    for one in news:
        if one.kind == "acknowledged":
            words = f"{one.incident.acknowledged_by} had acknowledged by then."
            _end({one.incident.id}, ("escalation", "reminder"), words, now)
    return unheard


def _end(
    incident_ids: Collection[UUID], kinds: Sequence[str], outcome: str, now: datetime
) -> Sequence[tuple[UUID, str]]:
    if not incident_ids:
        return ()
    ended = db.session.execute(
        update(FollowUp)
        .where(among(FollowUp.incident_id, incident_ids), FollowUp.done_at.is_(None), FollowUp.kind.in_(kinds))
        .values(done_at=now, outcome=outcome)
        .returning(FollowUp.incident_id, FollowUp.kind)
        .execution_options(synchronize_session=False)
    )
    return [(row.incident_id, row.kind) for row in ended]


def _alert(telling: Telling, people: Audience, runs: Sequence[PastRun]) -> dict[str, Any]:
    one = telling.news
    return {
        "id": ids.new(),
        "organization_id": one.row.organization_id,
        "incident_id": one.incident.id,
        # The table has one word for what people do; the content says which it was.
        "kind": "acknowledged" if one.kind in DONE_BY_PEOPLE else one.kind,
        "at": one.at,
        "content": contents.of(one, people.names[one.row.organization_id], runs, telling.step),
        "decision": dict(telling.decision),
    }


def _decision(found: Routing, told_at_once: Mapping[UUID, str]) -> dict[str, Any]:
    """Why these are told and others not, for the page that asks. `disabled` would have been told."""
    return {
        "rules": [
            {"id": str(one.rule.id or ""), "name": one.rule.name, "matched": one.matched, "why": one.why}
            for one in found.verdicts
        ],
        "by": {str(id): why for id, why in told_at_once.items()},
        "disabled": {str(id): why for id, why in found.by.items() if id not in told_at_once},
    }


def _muted(one: News, now: datetime) -> Silence | None:
    until = one.incident.muted_until
    if until is None or not alerting.muted(until, now):
        return None
    return Silence("muted", f"muted until {sentences.clock(until, now, one.row.schedule_timezone)}", until)


def _quiet(one: News, people: Audience, now: datetime) -> Silence | None:
    organization_id = one.row.organization_id
    until = people.quiet_until(organization_id, one.incident.severity, now)
    if until is None:
        return None
    quiet = people.quiet_hours[organization_id]
    zone = quiet.timezone if quiet else "UTC"
    return Silence("quiet_hours", f"quiet hours for warnings until {sentences.clock(until, now, zone)}", until)
