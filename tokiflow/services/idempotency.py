"""Do what was asked once, however often it is asked under the same key.

The answer is committed with the change itself: either both are there or neither. Who asks again meanwhile waits for
the row of the first, and then finds its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from tokiflow import errors
from tokiflow.db import db, transaction
from tokiflow.models import IdempotencyKey

KEPT_FOR = timedelta(hours=24)
WORKED_ON_FOR = timedelta(minutes=2)
"""Work outside of a transaction that has not answered by then has died."""
FORGOTTEN_AT_ONCE = 100


@dataclass(frozen=True)
class Asked:
    """A request under an idempotency key. `fingerprint` tells apart requests that differ."""

    organization_id: UUID
    key: str
    path: str
    fingerprint: str


@dataclass(frozen=True)
class Kept:
    """An answer as it was given."""

    status: int
    body: str
    location: str


def once(asked: Asked, work: Callable[[], Kept], now: datetime) -> tuple[Kept, bool]:
    """The answer of `work` and False, or the answer it gave earlier and True.

    What `work` raises undoes the claim too, so the same key may try again. Raises Invalid if the key came with
    another request.
    """
    with transaction():
        earlier = _claim(asked, now)
        if earlier:
            return earlier, True
        answer = work()
        _keep(asked, answer)
    return answer, False


def once_outside(asked: Asked, work: Callable[[], Kept], now: datetime) -> tuple[Kept, bool]:
    """As `once`, for work that talks to the network and must hold no transaction open meanwhile.

    Raises Conflict while the first is still at it.
    """
    with transaction():
        earlier = _claim(asked, now)
    if earlier:
        return earlier, True
    try:
        answer = work()
    except BaseException:
        with transaction():
            db.session.execute(delete(IdempotencyKey).where(_same(asked)))
        raise
    with transaction():
        _keep(asked, answer)
    return answer, False


def _claim(asked: Asked, now: datetime) -> Kept | None:
    """Write down that `asked` is being worked on; the answer instead, if it has been already."""
    _forget(asked, now)
    claim = insert(IdempotencyKey).values(
        organization_id=asked.organization_id, path=asked.path, key=asked.key, fingerprint=asked.fingerprint,
        created_at=now,
    )  # fmt: skip
    # Waits while another transaction holds a claim that is not committed.
    claimed = db.session.execute(claim.on_conflict_do_nothing().returning(IdempotencyKey.key)).scalar_one_or_none()
    if claimed is not None:
        return None
    row = db.session.execute(
        select(IdempotencyKey.fingerprint, IdempotencyKey.status, IdempotencyKey.body, IdempotencyKey.location).where(
            _same(asked)
        )
    ).one_or_none()
    if row is None or (row.fingerprint == asked.fingerprint and row.status is None):
        raise errors.Conflict(
            "The first request with this Idempotency-Key is still being worked on; ask again shortly."
        )
    if row.fingerprint != asked.fingerprint:
        raise errors.Invalid({"Idempotency-Key": ["came with another body before; take a new key for a new request"]})
    return Kept(row.status, row.body, row.location)


def _keep(asked: Asked, answer: Kept) -> None:
    db.session.execute(
        update(IdempotencyKey)
        .where(_same(asked))
        .values(status=answer.status, body=answer.body, location=answer.location)
        .execution_options(synchronize_session=False)
    )


def _forget(asked: Asked, now: datetime) -> None:
    """Drop this key if it is too old or its work has died, and some others that are too old."""
    dead = and_(IdempotencyKey.status.is_(None), IdempotencyKey.created_at < now - WORKED_ON_FOR)
    own = and_(_same(asked), (IdempotencyKey.created_at < now - KEPT_FOR) | dead)
    db.session.execute(delete(IdempotencyKey).where(own).execution_options(synchronize_session=False))
    old = (
        select(IdempotencyKey.organization_id, IdempotencyKey.path, IdempotencyKey.key)
        .where(IdempotencyKey.created_at < now - KEPT_FOR)
        .order_by(IdempotencyKey.created_at)
        .limit(FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    identity = tuple_(IdempotencyKey.organization_id, IdempotencyKey.path, IdempotencyKey.key)
    db.session.execute(delete(IdempotencyKey).where(identity.in_(old)).execution_options(synchronize_session=False))


def _same(asked: Asked) -> ColumnElement[bool]:
    return and_(
        IdempotencyKey.organization_id == asked.organization_id,
        IdempotencyKey.path == asked.path,
        IdempotencyKey.key == asked.key,
    )
