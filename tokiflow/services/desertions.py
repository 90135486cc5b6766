"""E-mail channels that have nobody left to write to: disabled when the last address goes, and back when one returns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, case, cast, exists, func, select
from sqlalchemy.dialects.postgresql import JSONB

from tokiflow.channels import email
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import Channel
from tokiflow.queries import recipients as queries
from tokiflow.queries.recipients import Standing
from tokiflow.services import audit, bounces, disablings

log = structlog.get_logger()

GONE = frozenset({"unsubscribed", "bounced"})


def learn(organization_id: UUID, refused: Mapping[str, str], now: datetime) -> None:
    """Note that these addresses will never take mail, each with why, and disable what writes to nobody else."""
    if refused:
        with transaction():
            bounces.refused(organization_id, refused, now)
            disable(organization_id, list(refused), now)


def disable(organization_id: UUID, addresses: Sequence[str], now: datetime) -> None:
    """Disable the channels to one of `addresses` that have nobody left to write to, and tell their owners."""
    with transaction():
        rows = _locked(organization_id, addresses, Channel.enabled.is_(True))
        standing = queries.of_channels(rows)
        deserted = [row for row in rows if _is_deserted(standing[row.id])]
        for row in deserted:
            row.enabled, row.disabled_reason = False, _why(standing[row.id])
            row.version += 1
        db.session.flush()
        disablings.announce([row.id for row in deserted], now)


def enable(organization_id: UUID, address: str, now: datetime) -> None:
    """Somebody at `address` takes mail again: the channels to it that were disabled for want of anybody are back.

    One that a person disabled stays so.
    """
    with transaction():
        for_want = Channel.enabled.is_(False) & Channel.disabled_reason.startswith(email.NOBODY_LEFT)
        rows = _locked(organization_id, [address], for_want)
        standing = queries.of_channels(rows)
        for row in [one for one in rows if not _is_deserted(standing[one.id])]:
            row.enabled, row.disabled_reason, row.last_error = True, "", ""
            row.version += 1
            by = Actor("person", address)
            audit.record("channel.enabled", by, organization_id, now, object_id=row.id, object_name=row.name)
            log.info("channel_enabled", channel=str(row.id), kind=row.kind)


def writes_to(addresses: Collection[str]) -> ColumnElement[bool]:
    """Whether an e-mail channel writes to one of `addresses`, however it spells it."""
    # Other kinds have a "to" as well, and it need not be a list.
    listed = case((Channel.kind == "email", Channel.config["to"]), else_=cast([], JSONB))
    to = func.jsonb_array_elements_text(listed).column_valued("to_address")
    named = exists(select(to).where(func.lower(to).in_([one.lower() for one in addresses])))
    return (Channel.kind == "email") & named


def _locked(organization_id: UUID, addresses: Sequence[str], such: ColumnElement[bool]) -> Sequence[Channel]:
    ours = Channel.organization_id == organization_id, such, writes_to(addresses)
    statement = select(Channel).where(*ours).order_by(Channel.id).with_for_update()
    return db.session.execute(statement.execution_options(populate_existing=True)).scalars().all()


def _is_deserted(standing: Sequence[Standing]) -> bool:
    return all(one.status in GONE for one in standing)


def _why(standing: Sequence[Standing]) -> str:
    said = {one.address: one.reason for one in standing if one.reason}
    return email.nobody_left({one.address: one.status for one in standing}, said)
