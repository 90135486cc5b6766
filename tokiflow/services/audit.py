"""Who did what: written in the transaction of the change itself, as the next link of the organization's chain."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import ScalarSelect, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tokiflow import errors
from tokiflow.core import chain, ids, sealing
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.db import at_end, changed, db, transaction
from tokiflow.models import AuditChain, AuditEvent
from tokiflow.queries import audit as queries
from tokiflow.queries import audit_chains
from tokiflow.services import sets
from tokiflow.settings import Settings

log = structlog.get_logger()

KEY_LOST = (
    "Nothing can be changed, because nothing can be written into the audit log: SECRET_KEY is another than when it "
    "began. Whoever operates this Tokiflow gives back the former one in TOKIFLOW_FORMER_SECRET_KEYS."
)
TAKEN_OUT = "(taken out)"
"""Stands where somebody's words were, after they had to go."""


def record(
    what: str,
    by: Actor,
    organization_id: UUID,
    now: datetime,
    *,
    object_id: UUID | None = None,
    object_name: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note that `by` did `what` (`monitor.paused`). `before` and `after` hold what changed, never a secret.

    It is written at the end of the transaction: the chain's row is locked by all who change something in this
    organization, and who locks it last never waits for somebody who waits for it.
    """
    event = {
        "id": ids.new(), "organization_id": organization_id, "at": now, "what": what,
        "by": by.name, "by_kind": by.kind, "by_id": by.id, "address": by.address,
        "object_id": object_id, "object_name": object_name, "before": dict(before or {}), "after": dict(after or {}),
    }  # fmt: skip
    at_end(_chain, event)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs: the two halves that `record` takes."""
    changed_names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in changed_names}, {name: after[name] for name in changed_names}


def forget(before: datetime, most: int = 2_000) -> int:
    """Let go of events from before this moment, oldest first, at most so many of each organization; how many went.

    The chain then begins where they ended.
    """
    gone = 0
    for organization_id in queries.organizations_with_events_before(before):
        with transaction():
            chained = _locked([organization_id]).get(organization_id)
            if chained is not None:
                gone += _forget(chained, before, most)
    return gone


def redact(event_ids: Collection[UUID], organization_id: UUID, reason: str, now: datetime) -> None:
    """Take the words out of these events of the organization, for good, and say so in the chain."""
    numbers = db.session.execute(
        update(AuditEvent)
        .where(AuditEvent.organization_id == organization_id, AuditEvent.id.in_(event_ids))
        .where(AuditEvent.what != chain.REDACTED)
        .values(by=TAKEN_OUT, object_name=TAKEN_OUT, address="", before={}, after={})
        .returning(AuditEvent.n)
        .execution_options(synchronize_session=False)
    ).scalars()
    after = {"events": sorted(n for n in numbers if n is not None), "reason": reason}
    record(chain.REDACTED, TOKIFLOW, organization_id, now, after=after)


def seal_ends(organization_id: UUID) -> None:
    """For a chain that holds, and is from before its ends were sealed. In the caller's transaction."""
    row = db.session.get(AuditChain, organization_id, with_for_update=True, populate_existing=True)
    if row is not None and not _unsealed(row)[1]:
        _seal_ends(row)


def key_of(row: AuditChain) -> bytes:
    """What the hashes of this chain are made with. Raises ValueError if the installation's key is another by now."""
    return _unsealed(row)[0].encode()


def ends_hold(row: AuditChain) -> bool:
    """Whether the chain begins and ends where we left it: whoever takes events from there may put the numbers right,
    too, but seals nothing. Raises ValueError as `key_of`."""
    _, ends = _unsealed(row)
    # A chain that has only its key there is from before the ends were sealed, or new.
    return ends in ("", _ends(row))


def _chain(events: Sequence[dict[str, Any]]) -> None:
    """Write `events`, each as the next link of its organization's chain."""
    chains = _locked(sorted({event["organization_id"] for event in events}))
    try:
        whole = [row for row in chains.values() if ends_hold(row)]
    except ValueError:
        raise errors.Unavailable(KEY_LOST) from None
    opened = {id: key_of(row) for id, row in chains.items()}
    for event in events:
        row, key = chains[event["organization_id"]], opened[event["organization_id"]]
        words = chain.words_hash(key, audit_chains.words(event))
        row.n, row.hash = row.n + 1, chain.link_hash(key, row.hash, row.n + 1, audit_chains.fixed(event), words)
        event.update(n=row.n, hash=row.hash, words_hash=words)
    for row in whole:
        _seal_ends(row)
    sets.insert(AuditEvent, events)


def _seal_ends(row: AuditChain) -> None:
    """Where it begins and ends from now on. Not for one whose ends do not hold, or nobody would ever learn of it."""
    row.sealed_key = sealing.seal(f"{key_of(row).decode()}\n{_ends(row)}", keys())


def _unsealed(row: AuditChain) -> tuple[str, str]:
    """The key of the chain, and its ends as they were sealed with it."""
    key, _, ends = sealing.unseal(row.sealed_key, keys()).partition("\n")
    return key, ends


def _ends(row: AuditChain) -> str:
    return f"{row.gone_n} {row.gone_hash} {row.n} {row.hash} {row.before}"


def _locked(organization_ids: Sequence[UUID]) -> dict[UUID, AuditChain]:
    """The chains of these organizations, in their order, ours until the commit. New ones begin here."""
    statement = (
        select(AuditChain)
        .where(AuditChain.organization_id.in_(organization_ids))
        .order_by(AuditChain.organization_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = {row.organization_id: row for row in db.session.execute(statement).scalars()}
    new = [one for one in organization_ids if one not in found]
    return found | {row.organization_id: row for row in _begun(new)} if new else found


def _begun(organization_ids: Sequence[UUID]) -> Sequence[AuditChain]:
    """New chains, locked. Where somebody else began one meanwhile, theirs: it is waited for, and stays as it is."""
    rows = [
        {
            "organization_id": one,
            "sealed_key": sealing.seal(secrets.token_urlsafe(32), keys()),
            "before": _older(one),
        }
        for one in organization_ids
    ]
    statement = insert(AuditChain).values(rows)
    locked = statement.on_conflict_do_update(index_elements=["organization_id"], set_={"before": AuditChain.before})
    made = db.session.execute(locked.returning(AuditChain), execution_options={"populate_existing": True})
    return made.scalars().all()


def _older(organization_id: UUID) -> ScalarSelect[int]:
    """How many events are from before there were chains."""
    theirs = AuditEvent.organization_id == organization_id, AuditEvent.n.is_(None)
    return select(func.count()).select_from(AuditEvent).where(*theirs).scalar_subquery()


def _forget(row: AuditChain, before: datetime, most: int) -> int:
    whole = _known_to_hold(row)
    old = (
        select(AuditEvent.id)
        .where(AuditEvent.organization_id == row.organization_id, AuditEvent.at < before)
        .order_by(AuditEvent.n.asc().nulls_first())
        .limit(most)
    )
    found = db.session.execute(
        select(AuditEvent.id, AuditEvent.n, AuditEvent.hash).where(AuditEvent.id.in_(old)).order_by(AuditEvent.n)
    ).all()
    row.before -= sum(one.n is None for one in found)
    # Two that came in the wrong order by the clock: only an unbroken beginning may go.
    going, last = [one.id for one in found if one.n is None], row.gone_n
    for one in found:
        if one.n == last + 1:
            last, row.gone_hash = one.n, one.hash
            going.append(one.id)
    row.gone_n = last
    if whole:
        _seal_ends(row)
    count = changed(delete(AuditEvent).where(AuditEvent.id.in_(going)))
    log.info("audit_events_forgotten", organization=str(row.organization_id), count=count)
    return count


def _known_to_hold(row: AuditChain) -> bool:
    """Without the key nobody can tell; what is old goes all the same."""
    try:
        return ends_hold(row)
    except ValueError:
        return False


def keys() -> tuple[str, ...]:
    """What the keys of chains are sealed with, the newest first."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.secret_keys
