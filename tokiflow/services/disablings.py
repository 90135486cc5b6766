"""Channels that Tokiflow disables by itself, because trying again can't help: written down, and their owners told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, select

from tokiflow import channels
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.roles import Right
from tokiflow.db import db, transaction
from tokiflow.models import Channel, Organization
from tokiflow.queries import people
from tokiflow.services import audit, letters

log = structlog.get_logger()


def announce(channel_ids: Collection[UUID], now: datetime) -> None:
    """Write down that `channel_ids` were just disabled, and promise a letter to every owner and admin.

    Call it in the transaction that disabled them, once, with `disabled_reason` set; not for a failed test, whose
    result somebody has before their eyes.
    """
    if not channel_ids:
        return
    with transaction():
        rows = _rows(channel_ids)
        told = people.who_may(Right.EDIT_CHANNELS, {row.organization_id for row in rows})
        left = _left({row.organization_id for row in rows})
        for row in rows:
            audit.record(
                "channel.disabled", TOKIFLOW, row.organization_id, now,
                object_id=row.id, object_name=row.name, after={"reason": row.disabled_reason},
            )  # fmt: skip
            for person in told:
                if person.organization_id == row.organization_id:
                    _tell(person, row, left.get(row.organization_id, 0), now)
            log.warning("channel_disabled", channel=str(row.id), kind=row.kind)


def _tell(person: Any, row: Any, left: int, now: datetime) -> None:
    letters.post(
        "channel_disabled",
        person.email,
        f"Disabled: {row.name} of {row.organization} gets no more alerts",
        {
            "organization": row.organization,
            "channel": row.name,
            "place": _place(row),
            "reason": row.disabled_reason,
            "left": left,
            "at": _moment(now, person.timezone),
            "path": f"/app/channels/{ids.public('chn', row.id)}",
        },
        row.organization_id,
        now,
    )


def _place(row: Any) -> str:
    kind = channels.get(row.kind)
    where = kind.describe(row.config)
    return where if where.startswith(kind.title) else f"{kind.title}, {where}"


def _moment(now: datetime, timezone: str) -> str:
    local = now.astimezone(ZoneInfo(timezone or "UTC"))
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M} ({timezone or 'UTC'})"


def _rows(channel_ids: Collection[UUID]) -> Sequence[Any]:
    return db.session.execute(
        select(
            Channel.id, Channel.organization_id, Channel.kind, Channel.name, Channel.config, Channel.disabled_reason,
            Organization.name.label("organization"),
        )
        .join(Organization, Organization.id == Channel.organization_id)
        .where(Channel.id.in_(channel_ids))
        .order_by(Channel.id)
    ).all()  # fmt: skip


def _left(organization_ids: Collection[UUID]) -> dict[UUID, int]:
    """By organization: how many channels are still enabled."""
    counted = (
        select(Channel.organization_id, func.count())
        .where(Channel.organization_id.in_(organization_ids), Channel.enabled)
        .group_by(Channel.organization_id)
    )
    return {row[0]: row[1] for row in db.session.execute(counted)}
