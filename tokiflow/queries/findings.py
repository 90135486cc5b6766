"""What was unlike the usual in the latest runs of some monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, true
from sqlalchemy.orm import aliased

from tokiflow.db import db
from tokiflow.models import Monitor, Run


def latest(monitor_ids: Sequence[UUID], since: datetime) -> Mapping[UUID, Run]:
    """By monitor: its latest run that was unlike the usual and was first heard of after `since`. One statement."""
    one = aliased(Monitor)
    newest = (
        select(Run)
        .where(Run.monitor_id == one.id, Run.at > since, Run.findings.is_not(None))
        .order_by(Run.at.desc(), Run.id.desc())
        .limit(1)
        .correlate(one)
        .lateral("newest")
    )
    run = aliased(Run, newest)
    statement = select(run).select_from(one).join(newest, true()).where(one.id.in_(monitor_ids))
    return {found.monitor_id: found for found in db.session.execute(statement).scalars()} if monitor_ids else {}
