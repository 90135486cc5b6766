"""What is to be done about an incident later, as rows (models.FollowUp): the next step of an escalation, a reminder,
and news that must wait until a silence ends. services.follow_ups keeps these promises.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from tokiflow.core import ids
from tokiflow.core.routing import Rule
from tokiflow.db import among, changed, db
from tokiflow.models import FollowUp, Incident, RoutingRule
from tokiflow.services import news as news_of
from tokiflow.services import sets, silences
from tokiflow.services.news import News
from tokiflow.services.silences import Silence

SNOOZED = "snoozed"
"""Why a reminder is promised that no rule asks for."""

OVER = "It was over by then."


def add(those: Sequence[FollowUp]) -> None:
    """Write these promises down. What a rule was to do that is being deleted just now is not promised."""
    sets.add(those, while_there={"rule_id": RoutingRule})


def reminder(incident: Incident, rule: Rule, at: datetime) -> FollowUp:
    """The promise to remind at `at`, unless somebody acknowledges."""
    return _promised(incident, "reminder", at, rule_id=rule.id, words=f"as “{rule.name}” reminds")


def wake_up(incident: Incident, at: datetime) -> FollowUp:
    """The promise to remind whoever was told at `at`, when its snooze ends, also of what somebody acknowledged."""
    return _promised(incident, "reminder", at, reason=SNOOZED, words="as its snooze is over")


def call_off_wake_ups(incident_ids: Collection[UUID], outcome: str, now: datetime) -> None:
    """Nobody is to be reminded at the end of a snooze any more: it was ended, or is another now."""
    waiting = among(FollowUp.incident_id, incident_ids), FollowUp.done_at.is_(None), FollowUp.reason == SNOOZED
    changed(update(FollowUp).where(*waiting).values(done_at=now, outcome=outcome))


def held(one: News, silence: Silence, now: datetime) -> FollowUp:
    """The promise to tell `one` when `silence` is over."""
    return _promised(
        one.incident, "held", silences.judged_again_at(silence, now), reason=silence.reason, words=silence.words,
        blocked_by=silence.blocked_by, news=news_of.kept(one),
    )  # fmt: skip


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


def by_rule(incident: Incident, rule: Rule, now: datetime) -> list[FollowUp]:
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


def end_what_waits(news: Sequence[News], now: datetime) -> set[UUID]:
    """Nobody needs the next step of what is over or in somebody's hands. The incidents that are over unheard."""
    over = {one.incident.id for one in news if one.kind == "resolved"}
    unheard = {id for id, kind in _end(over, ("held", "escalation", "reminder"), OVER, now) if kind == "held"}
    by: dict[str, set[UUID]] = {}
    for one in news:
        if one.kind == "acknowledged":
            by.setdefault(one.incident.acknowledged_by, set()).add(one.incident.id)
    for name, acknowledged in by.items():
        _end(acknowledged, ("escalation", "reminder"), f"{name} had acknowledged by then.", now)
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
