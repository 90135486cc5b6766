"""Why nobody is told of a monitor now or soon, and what it depends on, for its page and for lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import url_for

from tokiflow.core import durations, ids
from tokiflow.core.maintenance import Span
from tokiflow.models import Monitor
from tokiflow.queries import dependencies, maintenance, monitors
from tokiflow.queries.dependencies import Named
from tokiflow.web import filters

SOON = timedelta(days=7)
DEPENDENTS = 5


@dataclass(frozen=True)
class Neighbour:
    """A monitor that this one depends on, or that depends on it."""

    name: str
    url: str
    status: str


@dataclass(frozen=True)
class Notice:
    """`head` says it in bold, then come the words of a link and the rest of the sentence."""

    head: str
    link: str
    url: str
    rest: str


@dataclass(frozen=True)
class Quiet:
    """Of one monitor. `notices` hold now, `coming` is the maintenance of the next days."""

    notices: Sequence[Notice]
    coming: Notice | None
    upstream: Sequence[Neighbour]
    downstream: Sequence[Neighbour]
    more_downstream: int


def of(monitor: Monitor, now: datetime) -> Quiet:
    """All there is to say about `monitor`."""
    cover, coming = maintenance.around(monitor, now, SOON)
    near = dependencies.neighbours(monitor.id, DEPENDENTS)
    blocker = dependencies.blockers([monitor.id]).get(monitor.id) if near.above else None
    return Quiet(
        notices=[*([_in_maintenance(cover)] if cover else []), *([_blocked(*blocker)] if blocker else [])],
        coming=_coming(*coming) if coming else None,
        upstream=[_neighbour(one, now) for one in near.above],
        downstream=[_neighbour(one, now) for one in near.below],
        more_downstream=near.below_in_all - len(near.below),
    )


def words(found: Sequence[Monitor], now: datetime) -> Mapping[UUID, str]:
    """By monitor of a list: `maintenance until 06:00`, or, if it is down, `waits for Database`. Others are left out."""
    covers = maintenance.during(found, now)
    said = {key: f"maintenance until {filters.clock(cover.until)}" for key, cover in covers.items()}
    down = [one.id for one in found if one.status == "down" and one.id not in said]
    blockers = dependencies.blockers(down)
    return said | {key: f"waits for {name}" for key, (_, name) in blockers.items()}


def _in_maintenance(cover: maintenance.Cover) -> Notice:
    url = url_for("maintenance.show", window_id=ids.public("mnt", cover.window_id))
    return Notice(f"In maintenance until {filters.clock(cover.until)}:", cover.name, url, ". Alerts wait until then.")


def _blocked(upstream_id: UUID, name: str) -> Notice:
    return Notice("Alerts wait:", name, _url(upstream_id), " is down, and this monitor depends on it.")


def _coming(window: maintenance.Window, span: Span) -> Notice:
    length = durations.long((span.ends_at - span.starts_at).total_seconds())
    url = url_for("maintenance.show", window_id=ids.public("mnt", window.row.id))
    return Notice("Next maintenance:", window.row.name, url, f", {filters.clock(span.starts_at)}, for {length}.")


def _neighbour(one: Named, now: datetime) -> Neighbour:
    return Neighbour(one.name, _url(one.id), monitors.shown_status(one, now).value)


def _url(monitor_id: UUID) -> str:
    return url_for("monitors.show", monitor_id=ids.public("mon", monitor_id))
