"""Decide who is told, now (services.alert_rows) and later (services.follow_up_rows), in the transaction of the incident
itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow import channels
from tokiflow.channels import email
from tokiflow.core import alerting, sentences
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.routing import Routing, Subject
from tokiflow.models import FollowUp
from tokiflow.queries import routing
from tokiflow.queries.routing import Audience
from tokiflow.services import alert_rows, contents, follow_up_rows, silences, timeline
from tokiflow.services import news as news_of
from tokiflow.services.alert_rows import Telling
from tokiflow.services.contents import PastRun
from tokiflow.services.news import DONE_BY_PEOPLE, TROUBLE, Facts, News
from tokiflow.services.silences import Silence
from tokiflow.services.timeline import Step

WAS_TOLD = "because it was told of the trouble"


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


def tell_the_end(news: Sequence[News], to: Mapping[UUID, Sequence[UUID]], now: datetime) -> None:
    """Promise the recoveries in `news` to channels that hear of the trouble only now: `to`, by incident."""
    people = audience(news)
    tellings = [Telling(one, dict.fromkeys(to[one.incident.id], WAS_TOLD)) for one in _with_what_was_said(news)]
    alert_rows.promise(tellings, people, contents.latest_runs({one.row.id for one in news}), now)


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
        silence = _muted(one, now) or by_monitor.get(one.row.id)
        silence = silence or silences.quiet(one.row.organization_id, one.incident.severity, people, now)
        if silence:
            found[one.incident.id] = silence
    return found


def _carry_out(news: Sequence[News], silent: Mapping[UUID, Silence], people: Audience, now: datetime) -> None:
    news = _with_what_was_said(news)
    audible = [one for one in news if one.incident.id not in silent and one.row.organization_id in people.populated]
    runs = contents.latest_runs({one.row.id for one in audible})
    known = alert_rows.told({one.incident.id for one in news if one.kind not in TROUBLE})
    plan = _Plan(people, runs, silent, now, follow_up_rows.end_what_waits(news, now), known)
    for one in news:
        plan.take(one)
    alert_rows.promise(plan.tellings, people, runs, now)
    timeline.write(*plan.steps)
    follow_up_rows.add([one for found in plan.later.values() for one in found])


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
            promised = [
                waiting for rule in found.matched for waiting in follow_up_rows.by_rule(one.incident, rule, self.now)
            ]
            self.later.setdefault(one.incident.id, []).extend(promised)

    def _hold(self, one: News, silence: Silence) -> None:
        self.later.setdefault(one.incident.id, []).append(follow_up_rows.held(one, silence, self.now))
        words = f"Told nobody yet: {silence.words}"
        self.steps.append(timeline.step(one.incident.id, "held", self.now, TOKIFLOW, words))

    def _recover(self, one: News) -> None:
        waiting = [promised for promised in self.later.get(one.incident.id, []) if promised.done_at is None]
        unheard = one.incident.id in self.unheard or any(promised.kind == "held" for promised in waiting)
        for promised in waiting:
            promised.done_at, promised.outcome = self.now, follow_up_rows.OVER
        self.unheard.discard(one.incident.id)
        if not unheard:
            known = self.told.get(one.incident.id, [])
            self._tell(one, [id for id in known if self._wants_the_end(one, id)])

    def _tell(self, one: News, channel_ids: Sequence[UUID]) -> None:
        if channel_ids:
            self.tellings.append(Telling(one, dict.fromkeys(channel_ids, WAS_TOLD)))

    def _wants_the_end(self, one: News, channel_id: UUID) -> bool:
        """Also if it is disabled by now; but not if everybody there has said no."""
        listener = self.people.listeners[one.row.organization_id].get(channel_id)
        return listener is not None and not listener.disabled_reason.startswith(email.NOBODY_LEFT)

    def _follows(self, one: News, channel_id: UUID) -> bool:
        listener = self.people.listeners[one.row.organization_id].get(channel_id)
        return listener is not None and listener.enabled and one.kind in channels.get(listener.kind).follows


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
