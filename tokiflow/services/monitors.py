"""Create, edit, pause, resume, rotate and delete monitors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, BigInteger, cast, func, insert, select, update
from sqlalchemy import delete as delete_rows

from tokiflow import errors
from tokiflow.core import ids, monitor_draft, runs, schedule, status, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import MonitorDraft
from tokiflow.core.runs import Run
from tokiflow.core.sensitivity import Sensitivity
from tokiflow.core.status import Status
from tokiflow.db import db, transaction
from tokiflow.models import Channel, Monitor, MonitorChannel, MonitorDependency
from tokiflow.models import Run as RunRow
from tokiflow.queries import dependencies
from tokiflow.services import audit, erasures, incidents, monitor_rows, silences

log = structlog.get_logger()


def create(organization_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime) -> UUID:
    """A new monitor from `values` (named as in the API); its id. Raises Invalid naming every bad field."""
    draft = monitor_draft.create(values, period=partial(schedule.period_seconds, around=now))
    with transaction():
        _check_channels(organization_id, draft.channels)
        _check_upstream(organization_id, None, draft.depends_on)
        monitor = Monitor(
            id=ids.new(),
            organization_id=organization_id,
            token=tokens.new_ping_token(),
            status=Status.NEW.value,
            created_at=now,
            updated_at=now,
            created_by=by.id if by.kind == "person" else None,
            **columns(draft),
        )
        monitor.slug = _free_slug(organization_id, draft, None)
        db.session.add(monitor)
        db.session.flush()
        _name_channels(monitor.id, draft.channels)
        _name_upstream(monitor.id, draft.depends_on)
        audit.record("monitor.created", by, organization_id, now, object_id=monitor.id, object_name=monitor.name)
    log.info("monitor_created", monitor=str(monitor.id))
    return monitor.id


def put(
    organization_id: UUID, values: Mapping[str, Any], unique: Collection[str], by: Actor, now: datetime
) -> tuple[UUID, bool]:
    """Change the monitor that agrees with `values` in all fields of `unique`, or create one; its id, and if it is new.

    However many ask at once, one is created. Without `unique` it is always new. Raises Invalid naming every bad field.
    """
    if not unique:
        return create(organization_id, values, by, now), True
    wanted = monitor_draft.identity(values, unique)
    with transaction():
        one_at_a_time(organization_id)
        agreeing = select(Monitor.id).filter_by(organization_id=organization_id, **wanted).order_by(Monitor.id).limit(1)
        found = db.session.execute(agreeing).scalar_one_or_none()
        if found is None:
            return create(organization_id, values, by, now), True
        edit(found, values, by, now)
        return found, False


def edit(monitor_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime, version: int | None = None) -> None:
    """Change what `values` name. With `version`, raises Conflict if somebody else changed it since."""
    with transaction():
        if "slug" in values or "depends_on" in values:
            # Before the row, as everywhere: two that take the same two locks must take them in the same order.
            one_at_a_time(_organization_of(monitor_id))
        row = monitor_rows.locked(monitor_id)
        if version is not None and version != row.version:
            raise errors.Conflict("Somebody else changed this monitor while you were editing it.")
        before = draft_of(row)
        after = monitor_draft.change(before, values)
        if after == before:
            return
        _check_channels(row.organization_id, after.channels)
        if after.depends_on != before.depends_on:
            _check_upstream(row.organization_id, row.id, after.depends_on)
        old_rules = monitor_rows.rules(row)
        for name, value in columns(after).items():
            setattr(row, name, value)
        if after.slug != before.slug or not after.slug:
            row.slug = _free_slug(row.organization_id, after, row.id)
        row.version += 1
        row.updated_at = now
        db.session.flush()
        if after.channels != before.channels:
            _name_channels(row.id, after.channels)
        if after.depends_on != before.depends_on:
            _name_upstream(row.id, after.depends_on)
            silences.judge_again(row.organization_id, silences.DEPENDENCY, now)
        if after.sensitivity == Sensitivity.OFF.value != before.sensitivity:
            incidents.close_for_sensitivity(row, by, now)
        at_hand = _with_max_runtime(row, old_rules.max_runtime)
        known = status.edit(monitor_rows.state(row), old_rules, monitor_rows.rules(row), now)
        monitor_rows.save(row.id, known, at_hand)
        was, is_now = audit.difference(_audited(before), _audited(after))
        audit.record(
            "monitor.edited", by, row.organization_id, now,
            object_id=row.id, object_name=row.name, before=was, after=is_now,
        )  # fmt: skip


def pause(monitor_id: UUID, until: datetime | None, by: Actor, now: datetime) -> None:
    """Stop judging until `until`, or until somebody resumes. An open incident is resolved. Raises Invalid."""
    if until is not None and until <= now:
        raise errors.Invalid({"until": ["has passed already; write a time in the future, or none"]})
    with transaction():
        row = monitor_rows.locked(monitor_id)
        known, _ = status.pause(monitor_rows.state(row), until, now)
        monitor_rows.save(row.id, known, _open_runs(row, now))
        db.session.execute(update(Monitor).where(Monitor.id == row.id).values(paused_at=now, paused_by=by.name))
        incidents.close_for_pause(row, by, now)
        after = {"until": until.isoformat() if until else None}
        audit.record(
            "monitor.paused", by, row.organization_id, now, object_id=row.id, object_name=row.name, after=after
        )


def resume(monitor_id: UUID, by: Actor, now: datetime) -> None:
    """Judge again from now on. Does nothing to a monitor that is not paused."""
    with transaction():
        row = monitor_rows.locked(monitor_id)
        if row.status != Status.PAUSED.value:
            return
        fresh = [
            runs.with_fresh_deadline(run, now, row.max_runtime_seconds) if run.watched else run
            for run in _open_runs(row, now)
        ]
        _save_deadlines(fresh)
        monitor_rows.save(row.id, status.resume(monitor_rows.state(row), monitor_rows.rules(row), now), fresh)
        db.session.execute(update(Monitor).where(Monitor.id == row.id).values(paused_at=None, paused_by=""))
        audit.record("monitor.resumed", by, row.organization_id, now, object_id=row.id, object_name=row.name)


def rotate_token(monitor_id: UUID, by: Actor, now: datetime) -> None:
    """A new ping token; the old one is unknown from this moment."""
    with transaction():
        row = monitor_rows.locked(monitor_id)
        row.token = tokens.new_ping_token()
        row.updated_at = now
        row.version += 1
        audit.record("monitor.token_rotated", by, row.organization_id, now, object_id=row.id, object_name=row.name)


def delete(monitor_id: UUID, by: Actor, now: datetime) -> None:
    """Delete the monitor with its incidents; whoever was told of trouble hears that it is over. Its pings and runs are
    out of reach at once; a job erases them."""
    with transaction():
        row = monitor_rows.locked(monitor_id)
        audit.record("monitor.deleted", by, row.organization_id, now, object_id=row.id, object_name=row.name)
        incidents.close_for_deletion(row, by, now)
        db.session.execute(delete_rows(Monitor).where(Monitor.id == row.id))
        silences.judge_again(row.organization_id, silences.DEPENDENCY, now)
        erasures.promise([monitor_id], now)
    log.info("monitor_deleted", monitor=str(monitor_id))


def draft_of(row: Monitor) -> MonitorDraft:
    """The monitor as people wished it."""
    return MonitorDraft(
        **monitor_draft.plain(row),
        schedule=monitor_rows.rules(row).schedule,
        slug=row.slug,
        tags=tuple(row.tags),
        channels=_named_channels(row.id) if row.own_channels else None,
        depends_on=frozenset(one.id for one in dependencies.of_monitors([row.id]).get(row.id, ())),
    )


def columns(draft: MonitorDraft) -> dict[str, Any]:
    """The columns of `monitors` that say `draft`, but for its slug, its channels and what it depends on."""
    said = schedule.to_dict(draft.schedule)
    return {
        **monitor_draft.plain(draft),
        "tags": list(draft.tags),
        "schedule_kind": said["kind"],
        "schedule_seconds": said.get("seconds"),
        "schedule_expression": said.get("expression", ""),
        "schedule_timezone": said.get("timezone", ""),
        "own_channels": draft.channels is not None,
    }


def _audited(draft: MonitorDraft) -> dict[str, Any]:
    return columns(draft) | {
        "slug": draft.slug,
        "channels": None if draft.channels is None else sorted(ids.public("chn", one) for one in draft.channels),
        "depends_on": sorted(ids.public("mon", one) for one in draft.depends_on),
    }


def _free_slug(organization_id: UUID, draft: MonitorDraft, own_id: UUID | None) -> str:
    """The slug wished for, or one made from the name. Raises Conflict, as a field, if a wished one is taken."""
    one_at_a_time(organization_id)
    base = draft.slug or monitor_draft.slug_from(draft.name)
    taken = set(
        db.session.execute(
            select(Monitor.slug).where(
                Monitor.organization_id == organization_id,
                Monitor.slug.startswith(base, autoescape=True),
                Monitor.id != own_id,
            )
            if own_id
            else select(Monitor.slug).where(
                Monitor.organization_id == organization_id, Monitor.slug.startswith(base, autoescape=True)
            )
        ).scalars()
    )
    if base not in taken:
        return base
    if draft.slug:
        raise errors.Invalid({"slug": ["is taken by another monitor here; write another"]})
    return next(slug for slug in (f"{base}-{n}" for n in range(2, len(taken) + 3)) if slug not in taken)


def one_at_a_time(*organization_ids: UUID) -> None:
    """One naming at a time in an organization, so that two of one name never get the same slug, and that two who have
    monitors depend on each other never close a circle.

    Several are locked in one order, so that no two who need them wait for each other.
    """
    numbers = sorted(organization_id.int % (1 << 63) for organization_id in organization_ids)
    locks = func.unnest(cast(numbers, ARRAY(BigInteger))).column_valued("number")
    db.session.execute(select(func.pg_advisory_xact_lock(locks)))


def _organization_of(monitor_id: UUID) -> UUID:
    statement = select(Monitor.organization_id).where(Monitor.id == monitor_id)
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise errors.NotFound("This monitor is gone.")
    return found


def _check_channels(organization_id: UUID, channel_ids: Collection[UUID] | None) -> None:
    if not channel_ids:
        return
    known = db.session.execute(
        select(func.count()).where(Channel.organization_id == organization_id, Channel.id.in_(channel_ids))
    ).scalar_one()
    if known != len(channel_ids):
        raise errors.Invalid(
            {"channels": ["names a channel that does not exist here; take ids from the list of channels"]}
        )


def _name_channels(monitor_id: UUID, channel_ids: Collection[UUID] | None) -> None:
    db.session.execute(delete_rows(MonitorChannel).where(MonitorChannel.monitor_id == monitor_id))
    if channel_ids:
        rows = [{"monitor_id": monitor_id, "channel_id": channel_id} for channel_id in channel_ids]
        db.session.execute(insert(MonitorChannel), rows)


def _named_channels(monitor_id: UUID) -> frozenset[UUID]:
    statement = select(MonitorChannel.channel_id).where(MonitorChannel.monitor_id == monitor_id)
    return frozenset(db.session.execute(statement).scalars())


def _check_upstream(organization_id: UUID, monitor_id: UUID | None, wanted: Collection[UUID]) -> None:
    """Raises Invalid unless all of `wanted` are here (they then stay until the commit) and none depends on the monitor.

    Whoever calls holds `one_at_a_time`, or makes a monitor that nothing can depend on yet.
    """
    if not wanted:
        return
    here = select(Monitor.id).where(Monitor.organization_id == organization_id, Monitor.id.in_(wanted))
    held = here.order_by(Monitor.id).with_for_update(read=True, key_share=True)
    if len(db.session.scalars(held).all()) != len(wanted):
        raise errors.Invalid(
            {"depends_on": ["names a monitor that does not exist here; take ids from the list of monitors"]}
        )
    if monitor_id is None:
        return
    if monitor_id in wanted:
        raise errors.Invalid({"depends_on": ["names this monitor itself; leave it out"]})
    if way := dependencies.way_round(monitor_id, wanted):
        raise errors.Invalid({"depends_on": [f"goes round in a circle: {' → '.join(way)}; leave one of them out"]})


def _name_upstream(monitor_id: UUID, wanted: Collection[UUID]) -> None:
    db.session.execute(delete_rows(MonitorDependency).where(MonitorDependency.monitor_id == monitor_id))
    if wanted:
        rows = [{"monitor_id": monitor_id, "depends_on_id": upstream_id} for upstream_id in wanted]
        db.session.execute(insert(MonitorDependency), rows)


def _open_runs(row: Monitor, now: datetime) -> list[Run]:
    return monitor_rows.runs_at_hand([row.id], now)[row.id]


def _with_max_runtime(row: Monitor, old_max_runtime: int) -> list[Run]:
    """The open runs, their deadlines moved to the max runtime that now holds."""
    open_runs = _open_runs(row, row.updated_at)
    if row.max_runtime_seconds == old_max_runtime:
        return open_runs
    moved = [
        runs.with_fresh_deadline(run, run.started_at, row.max_runtime_seconds)
        if run.watched and run.started_at
        else run
        for run in open_runs
    ]
    _save_deadlines(moved)
    return moved


def _save_deadlines(changed: list[Run]) -> None:
    for run in changed:
        if run.watched:
            db.session.execute(update(RunRow).where(RunRow.id == run.id).values(deadline_at=run.deadline_at))
