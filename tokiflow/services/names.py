"""Find the monitors that pings by name mean, and make those that may be made.

The decisions are in docs/decisions/011-ping-by-name.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, insert, select

from tokiflow.core import ids, monitor_draft, names, schedule, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.names import AMBIGUOUS, UNKNOWN, Known, Named, Refused
from tokiflow.core.status import Status
from tokiflow.db import db, transaction
from tokiflow.models import AuditEvent, Monitor
from tokiflow.queries import names as directories
from tokiflow.queries.names import Directory
from tokiflow.services import audit, monitors

log = structlog.get_logger()

MOST_AN_HOUR = 100
"""Monitors that pings make in an organization within an hour: a whole crontab at once, but not one for every run of a
job whose slug has the date in it."""

MOST_MONITORS = 1_000
"""Where an organization has so many, however they were made, pings make no more: a key that leaked, or a job with a new
name every time, must not bury what people watch. They and their programs may still make some."""

TOO_MANY = Refused(403, f"no more monitors are made by pings: there are {MOST_MONITORS:,} already; make it by hand")

THE_PING_KEY = Actor("ping_key", "the ping key")
_HOUR = timedelta(hours=1)
_DEFAULTS = {"schedule": {"kind": "every", "seconds": 86_400}, "grace_seconds": 3600}


def resolve(asked: Sequence[Named], now: datetime) -> list[Known | Refused]:
    """For each of `asked`, in order: the monitor it means, made if need be, or why there is none.

    When it returns, what was made is committed. One statement if all are there, a handful more if any is made.
    """
    with transaction():
        directory = _look_up(asked)
        if wanted := _wanted(asked, directory):
            monitors.one_at_a_time(*{organization_id for organization_id, _ in wanted})
            # While we waited, somebody else may have made them.
            directory = _look_up(asked)
            wanted = _wanted(asked, directory)
        made = _make(wanted, now) if wanted else {}
    return list(_answers(asked, directory, made))


_Place = tuple[UUID, str]
"""An organization and a slug."""


def _look_up(asked: Sequence[Named]) -> Directory:
    return directories.look_up({one.key for one in asked}, {one.slug for one in asked})


def _wanted(asked: Sequence[Named], directory: Directory) -> list[_Place]:
    """What is to be made: asked for with `create`, and not there. Each once, in the order of asking."""
    places = ((directory.organizations.get(one.key), one.slug) for one in asked if one.create)
    found = ((organization, slug) for organization, slug in places if organization)
    return list(dict.fromkeys(place for place in found if not directory.meant(*place)))


def _answers(
    asked: Sequence[Named], directory: Directory, made: Mapping[_Place, str | Refused]
) -> Iterator[Known | Refused]:
    """What becomes of each. Of several that ask for the same new monitor, the first hears that it was created."""
    told: set[_Place] = set()
    for one in asked:
        organization_id = directory.organizations.get(one.key)
        if organization_id is None:
            yield UNKNOWN
            continue
        place = organization_id, one.slug
        new = made.get(place, UNKNOWN) if one.create or place in told else UNKNOWN
        if isinstance(new, str):
            yield Known(new, created=place not in told)
            told.add(place)
            continue
        meant = directory.meant(*place)
        yield new if not meant else Known(meant[0].token) if len(meant) == 1 else AMBIGUOUS


def _make(wanted: Sequence[_Place], now: datetime) -> dict[_Place, str | Refused]:
    """Make as many of `wanted` as may be made: for each the token of the new monitor, or why there is none."""
    organizations = {organization_id for organization_id, _ in wanted}
    total, lately = _total(organizations), _lately(organizations, now)
    made: dict[_Place, str | Refused] = {}
    rows = []
    for organization_id, slug in wanted:
        if total[organization_id] >= MOST_MONITORS:
            made[organization_id, slug] = TOO_MANY
        elif len(lately[organization_id]) >= MOST_AN_HOUR:
            again = lately[organization_id][-MOST_AN_HOUR] + _HOUR - now
            made[organization_id, slug] = Refused(429, "rate limited", max(1, ceil(again.total_seconds())))
        else:
            row = _row(organization_id, slug, now)
            rows.append(row)
            made[organization_id, slug] = row["token"]
            total[organization_id] += 1
            lately[organization_id].append(now)
    _write(rows, now)
    return made


def _row(organization_id: UUID, slug: str, now: datetime) -> dict[str, Any]:
    wish = {"name": names.name_from(slug), "slug": slug, **_DEFAULTS}
    draft = monitor_draft.create(wish, period=partial(schedule.period_seconds, around=now))
    return {
        "id": ids.new(),
        "organization_id": organization_id,
        "slug": draft.slug,
        "token": tokens.new_ping_token(),
        "status": Status.NEW.value,
        "created_at": now,
        "updated_at": now,
        **monitors.columns(draft),
    }


def _write(rows: Sequence[dict[str, Any]], now: datetime) -> None:
    if not rows:
        return
    db.session.execute(insert(Monitor), rows)
    for row in rows:
        audit.record(
            "monitor.created", THE_PING_KEY, row["organization_id"], now, object_id=row["id"], object_name=row["name"]
        )
        log.info("monitor_created", monitor=str(row["id"]))


def _total(organization_ids: Collection[UUID]) -> Counter[UUID]:
    """How many monitors each organization has."""
    owner = Monitor.organization_id
    statement = select(owner, func.count()).where(owner.in_(organization_ids)).group_by(owner)
    return Counter(dict(db.session.execute(statement).all()))


def _lately(organization_ids: Collection[UUID], now: datetime) -> defaultdict[UUID, list[datetime]]:
    """When pings made monitors in each organization within the last hour, the earliest first.

    From the audit log, which also remembers those that were deleted again. Ids begin with the time they were made, a
    little after `at`: by them the index looks only through the last hour.
    """
    statement = (
        select(AuditEvent.organization_id, AuditEvent.at)
        .where(
            AuditEvent.organization_id.in_(organization_ids),
            AuditEvent.id > ids.earliest(now - _HOUR),
            AuditEvent.at > now - _HOUR,
            AuditEvent.what == "monitor.created",
            AuditEvent.by_kind == THE_PING_KEY.kind,
        )
        .order_by(AuditEvent.id)
    )
    found: defaultdict[UUID, list[datetime]] = defaultdict(list)
    for organization_id, at in db.session.execute(statement):
        found[organization_id].append(at)
    return found
