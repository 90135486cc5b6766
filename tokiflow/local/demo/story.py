"""Let incidents happen in the order in which they did, through the services, and let people and channels answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import select, update

from tokiflow.core.actors import Actor
from tokiflow.db import db
from tokiflow.local.demo.job import Deed, Job
from tokiflow.local.demo.replay import Life
from tokiflow.models import Alert, Attempt, Channel, Delivery, Incident, Monitor
from tokiflow.services import incidents, judging, verdicts
from tokiflow.services.verdicts import Cause, Verdict

NOTICED_AFTER = timedelta(milliseconds=380)
GONE = "the receiver answered 410: the address is gone for good"
BUSY = "Slack answered 503: upstream connect error"
ONLY_A_DEMO = "This is a demo: nothing leaves this machine, only mail to the local outbox is on."
BOARD_DIES_AFTER = 7
BUSY_SHARE = 0.15


class Story:
    """All that happened before `now`: collected first, then told in order."""

    def __init__(self, team: dict[str, Actor], channels: Sequence[UUID], chance: random.Random, now: datetime) -> None:
        self.team = team
        self.channels = channels
        self.mail, self.chat, self.board = channels
        self.chance = chance
        self.now = now
        self._told_board = 0
        self._steps: list[tuple[datetime, Callable[[datetime], object]]] = []

    def add(self, at: datetime, do: Callable[[datetime], object]) -> None:
        """`do(at)`, in its turn."""
        self._steps.append((at, do))

    def tell(self, job: Job, row: Monitor, life: Life) -> None:
        """What became of `job`: every turn of its incidents, and what people did about them."""
        for cause in life.causes:
            self.add(cause.at, partial(self._turn, Verdict(row, life.rules, cause)))
        oldest_first = sorted(job.troubles, key=lambda trouble: trouble.days, reverse=True)
        for trouble, (began, ended) in zip(oldest_first, self._spans(life.causes), strict=False):
            for deed in trouble.deeds:
                self.add(began + (ended - began) * deed.share, partial(self._do, row.id, deed))

    def happen(self) -> None:
        """Do it all."""
        for at, do in sorted(self._steps, key=lambda step: step[0]):
            do(at)
        self._disable(self.chat, ONLY_A_DEMO)
        self._disable(self.board, GONE)

    def _spans(self, causes: Sequence[Cause]) -> list[tuple[datetime, datetime]]:
        """From when to when there was trouble, the oldest first; what lasts, lasts until now."""
        spans: list[tuple[datetime, datetime]] = []
        began: datetime | None = None
        for cause in causes:
            if cause.kind is None and began is not None:
                spans.append((began, cause.at))
                began = None
            elif began is None:
                began = cause.at
        return [*spans, (began, self.now)] if began else spans

    def _turn(self, verdict: Verdict, at: datetime) -> None:
        verdicts.carry_out([verdict], at + NOTICED_AFTER)
        self._send_all(at)

    def judge(self, monitor_id: UUID, at: datetime) -> None:
        """Judge what the monitor's runs did up to the last one, which has just finished."""
        judging.judge([monitor_id], at + NOTICED_AFTER)
        self._send_all(at)

    def _send_all(self, at: datetime) -> None:
        pending = select(Delivery).where(Delivery.channel_id.in_(self.channels), Delivery.status == "pending")
        for delivery in db.session.execute(pending).scalars():
            self._send(delivery, at + NOTICED_AFTER)

    def _do(self, monitor_id: UUID, deed: Deed, at: datetime) -> None:
        latest = select(Incident.id).where(Incident.monitor_id == monitor_id).order_by(Incident.id.desc()).limit(1)
        incident_id = db.session.execute(latest).scalar_one()
        if deed.words:
            incidents.comment(incident_id, deed.words, self.team[deed.who], at)
        else:
            incidents.acknowledge(incident_id, self.team[deed.who], at)

    def _send(self, delivery: Delivery, at: datetime) -> None:
        """What came of a delivery: mostly sent, sometimes at the second try, and the board moved away for good."""
        if delivery.channel_id == self.board:
            self._told_board += 1
            if self._told_board > BOARD_DIES_AFTER:
                self._give_up(delivery, at)
                return
        if delivery.channel_id == self.chat and self.chance.random() < BUSY_SHARE:
            self._try(delivery, at, 503, BUSY)
            at += timedelta(seconds=self.chance.uniform(2.6, 5.0))
        took = self._try(delivery, at, None if delivery.channel_id == self.mail else 200)
        delivery.status, delivery.sent_at, delivery.last_error = "sent", at + took, ""
        db.session.execute(update(Channel).where(Channel.id == delivery.channel_id).values(last_delivery_at=at + took))

    def _give_up(self, delivery: Delivery, at: datetime) -> None:
        self._try(delivery, at, 410, GONE)
        delivery.status = "dead"
        self._disable(self.board, GONE)

    def _try(self, delivery: Delivery, at: datetime, status_code: int | None, error: str = "") -> timedelta:
        """One try; how long it took."""
        took = timedelta(milliseconds=self.chance.randint(70, 640))
        delivery.attempts += 1
        delivery.last_error = error
        delivery.created_at = at if delivery.attempts == 1 else delivery.created_at
        db.session.add(
            Attempt(
                delivery_id=delivery.id, n=delivery.attempts, at=at, duration_ms=took // timedelta(milliseconds=1),
                ok=not error, status_code=status_code, response="" if error else "ok", error=error,
            )
        )  # fmt: skip
        return took

    def _disable(self, channel_id: UUID, reason: str) -> None:
        values = {"enabled": False, "disabled_reason": reason}
        db.session.execute(update(Channel).where(Channel.id == channel_id).values(values))


def date_back(monitor_ids: Sequence[UUID]) -> int:
    """Let rows of the monitors' incidents look written when it happened; how many incidents there are."""
    of_ours = select(Incident.id).where(Incident.monitor_id.in_(monitor_ids))
    db.session.execute(
        update(Alert)
        .where(Alert.incident_id.in_(of_ours))
        .values(created_at=Alert.at)
        .execution_options(synchronize_session=False)
    )
    dated = db.session.execute(
        update(Incident)
        .where(Incident.monitor_id.in_(monitor_ids))
        .values(created_at=Incident.opened_at)
        .returning(Incident.id)
        .execution_options(synchronize_session=False)
    )
    return len(dated.scalars().all())
