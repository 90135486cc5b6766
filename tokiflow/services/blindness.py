"""Notice when Tokiflow itself could not listen, and give that time back to the deadlines that passed."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import Interval, func, literal, select, text, update

from tokiflow.core import ids, outage
from tokiflow.core.outage import Gap
from tokiflow.core.runs import Outcome
from tokiflow.db import db, transaction
from tokiflow.models import BlindSpell, Monitor, Run
from tokiflow.services import heartbeats

log = structlog.get_logger()

_ONE_CLOCK_AT_A_TIME = 7_461_001
"""Key of the advisory lock, taken for the transaction."""


def look(now: datetime, interruption: Gap | None = None) -> bool:
    """Whether we can judge silence at `now`. Opens and closes blind spells on the way, and beats for the clock.

    The clock calls this before each sweep, and tells when it could last not reach the database.
    """
    with transaction():
        db.session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _ONE_CLOCK_AT_A_TIME})
        clock_seen, door_seen = heartbeats.last_seen("clock"), heartbeats.last_seen(*heartbeats.DOORS)
        heartbeats.beat("clock", now)
        spell = db.session.execute(select(BlindSpell).where(BlindSpell.ended_at.is_(None))).scalar_one_or_none()
        since = outage.blind_since(clock_seen, door_seen, now)
        if since is not None:
            _open(spell, since)
            return False
        if outage.somebody_is_missing(heartbeats.doors(now), interruption, now):
            return False
        if spell is not None:
            _close(spell, Gap(spell.started_at, now))
        return True


def _open(spell: BlindSpell | None, since: datetime) -> None:
    if spell is None:
        db.session.add(BlindSpell(id=ids.new(), started_at=since))
        log.warning("blind_since", since=since.isoformat())
    elif since < spell.started_at:
        spell.started_at = since


def _close(spell: BlindSpell, gap: Gap) -> None:
    """Deadlines that passed in the gap move by its length. What moved is looked at anew at once."""
    spell.ended_at = gap.end
    length = literal(gap.length, Interval)
    runs = db.session.execute(
        update(Run)
        .where(Run.outcome == Outcome.RUNNING.value, Run.finished_at.is_(None))
        .where(Run.deadline_at > gap.start, Run.deadline_at <= gap.end)
        .values(deadline_at=Run.deadline_at + length)
        .returning(Run.monitor_id)
        .execution_options(synchronize_session=False)
    ).scalars()
    touched = set(runs)
    monitors = db.session.execute(
        update(Monitor)
        .where(Monitor.status.in_(("up", "down")), Monitor.misses == 0)
        .where(Monitor.deadline_at > gap.start, Monitor.deadline_at <= gap.end)
        .values(deadline_at=Monitor.deadline_at + length, watch_at=gap.end)
        .returning(Monitor.id)
        .execution_options(synchronize_session=False)
    ).scalars()
    spell.moved = len(set(monitors) | touched)
    db.session.execute(
        update(Monitor)
        .where(Monitor.id.in_(touched), Monitor.watch_at.is_not(None))
        .values(watch_at=func.least(Monitor.watch_at, gap.end))
        .execution_options(synchronize_session=False)
    )
    log.warning("seeing_again", gap_seconds=gap.length.total_seconds(), moved=spell.moved)
