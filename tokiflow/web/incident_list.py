"""The list of incidents: what the address asks for, and all that its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import url_for

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.models import Monitor
from tokiflow.queries import alerts, incidents, monitors
from tokiflow.queries.incidents import Filter
from tokiflow.web import filters, troubles
from tokiflow.web.troubles import Trouble

ROWS = 50
STATUSES = ("unresolved", "open", "acknowledged", "resolved", "all")
KINDS = {"missed": "Missed", "failed": "Failed", "overrun": "Ran too long"}
_SHAPES = {"open": "down", "acknowledged": "late", "resolved": "up"}

Chip = tuple[str, str, int | None, bool, str]


@dataclass(frozen=True, slots=True)
class IncidentList:
    """The page. `url` is the address of just this view, which the list asks again while it is open."""

    headline: str
    lede: str
    rows: Sequence[Trouble]
    statuses: Sequence[Chip]
    kinds: Sequence[Chip]
    status: str
    kind: str
    words: str
    monitor_id: str
    monitor_name: str
    without_monitor: str
    url: str
    newer: str | None
    older: str | None
    counted: str
    narrowed: bool
    ever: bool


def read(organization_id: UUID, asked: Mapping[str, str], now: datetime) -> IncidentList:
    """The list as the address `asked` for it. Words it doesn't know are ignored; a broken cursor raises Malformed."""
    choice = {
        "status": asked["status"] if asked.get("status") in STATUSES else STATUSES[0],
        "kind": asked["kind"] if asked.get("kind") in KINDS else "",
        "monitor": asked.get("monitor", ""),
        "q": asked.get("q", "").strip()[:200],
    }
    monitor = _monitor(organization_id, choice["monitor"])
    choice["monitor"] = ids.public("mon", monitor.id) if monitor else ""
    wanted = Filter(
        status="" if choice["status"] == "all" else choice["status"],
        kind=choice["kind"],
        monitor_id=monitor.id if monitor else None,
        words=choice["q"],
    )
    found = incidents.window(organization_id, wanted, after=asked.get("after"), before=asked.get("before"), limit=ROWS)
    counts = _counts(incidents.count_by_status(organization_id, wanted))
    all_counts = _counts(incidents.count_by_status(organization_id))
    total, shown = counts[choice["status"]], len(found.items)
    place = {name: asked[name] for name in ("after", "before") if asked.get(name)}
    return IncidentList(
        headline=_headline(all_counts),
        lede=_lede(all_counts, incidents.last_ended_at(organization_id)),
        rows=troubles.rows(found.items, now, alerts.told([one.id for one in found.items]) if found.items else {}),
        statuses=[
            (
                name.capitalize(),
                _url(choice | {"status": name}),
                counts[name],
                name == choice["status"],
                _SHAPES.get(name, ""),
            )
            for name in STATUSES
        ],
        kinds=[("Every kind", _url(choice | {"kind": ""}), None, not choice["kind"], "")]
        + [(word, _url(choice | {"kind": name}), None, name == choice["kind"], "") for name, word in KINDS.items()],
        status=choice["status"],
        kind=choice["kind"],
        words=choice["q"],
        monitor_id=choice["monitor"],
        monitor_name=monitor.name if monitor else "",
        without_monitor=_url(choice | {"monitor": ""}),
        url=_url(choice | place),
        newer=_url(choice | {"before": found.newer}) if found.newer else None,
        older=_url(choice | {"after": found.older}) if found.older else None,
        counted=f"{filters.number(shown)} of {filters.count(total, 'incident')}" if total > shown else "",
        narrowed=bool(choice["kind"] or choice["q"] or choice["monitor"]),
        ever=all_counts["all"] > 0,
    )


def _monitor(organization_id: UUID, public_id: str) -> Monitor | None:
    """The monitor the address names, if it is one of the organization's."""
    try:
        found = monitors.get(ids.parse("mon", public_id)) if public_id else None
    except errors.NotFound:
        return None
    return found if found and found.organization_id == organization_id else None


def _counts(by_status: Mapping[str, int]) -> dict[str, int]:
    return {
        **by_status,
        "unresolved": by_status["open"] + by_status["acknowledged"],
        "all": sum(by_status.values()),
    }


def _headline(counts: Mapping[str, int]) -> str:
    """What is wanted of the reader: incidents that nobody has acknowledged come first."""
    number = counts["open"] or counts["acknowledged"]
    if not number:
        return "No open incidents"
    if counts["open"]:
        return f"{filters.spelled(number)} incident{' needs' if number == 1 else 's need'} somebody"
    return f"{filters.spelled(number)} incident{' is' if number == 1 else 's are'} acknowledged"


def _lede(counts: Mapping[str, int], last_ended_at: datetime | None) -> str:
    if not counts["unresolved"]:
        return f"The last one ended {filters.ago(last_ended_at)}." if last_ended_at else "There has never been one."
    seen = counts["acknowledged"]
    if not counts["open"]:
        return "Somebody is on it." if seen == 1 else "Somebody is on each of them."
    if not seen:
        return "Nobody has acknowledged " + ("it yet." if counts["open"] == 1 else "any of them yet.")
    return f"{filters.spelled(seen)} more {'is' if seen == 1 else 'are'} acknowledged."


def _url(choice: Mapping[str, str]) -> str:
    """The address of a view, without what goes without saying."""
    said: dict[str, Any] = {
        name: value for name, value in choice.items() if value and (name, value) != ("status", STATUSES[0])
    }
    return url_for("incidents.index", **said)
