"""How an organization does, as one number and what it is made of; and the monitors that pull it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from flask import url_for

from tokiflow.core import health, ids
from tokiflow.core.health import Health
from tokiflow.core.status import Status
from tokiflow.models import Monitor
from tokiflow.queries import downtime
from tokiflow.queries.standing import Standing
from tokiflow.web import filters

LOWEST = 5
ALL = 10
"""So few monitors are all shown."""

CLASSES = (
    (95, 100, "95 to 100"), (85, 94, "85 to 94"), (70, 84, "70 to 84"), (50, 69, "50 to 69"), (0, 49, "below 50"),
)  # fmt: skip
"""From and up to which score, and what that is called."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a score: its weight, and its share (0–1; None where nothing is known) in words."""

    name: str
    weight: float
    share: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Class:
    """So many monitors have a score like this; `width` is percent of the largest class."""

    words: str
    count: int
    width: float
    kind: str


@dataclass(frozen=True, slots=True)
class Low:
    """A monitor with its score, and what costs it most."""

    id: UUID
    monitor_id: str
    name: str
    url: str
    status: str
    score: int | None
    weakest: str


@dataclass(frozen=True, slots=True)
class OrgHealth:
    """score: None where no monitor has done anything yet. `all` says that `lowest` are all monitors there are."""

    score: int | None
    parts: Sequence[Part]
    known: int
    classes: Sequence[Class]
    summary: str
    lowest: Sequence[Low]
    all: bool


NOUNS = {
    "uptime": "Uptime",
    "success": "Success",
    "performance": "Performance",
}
_MEANS = {
    "uptime": "of the time watched, not down",
    "success": "of the runs expected, succeeded",
    "performance": "of the timed runs, as usual",
}


def read(monitors: Sequence[Standing], troubled: set[UUID], since: datetime, now: datetime) -> OrgHealth:
    """The health of `monitors` from `since` up to now. `troubled` are those that may have been down meanwhile.

    Six statements at most. The organization's score is that of the mean of each part over its monitors, so every
    monitor weighs the same, however often it runs.
    """
    suspects = [one for one in monitors if one.id in troubled or one.status is Status.DOWN]
    # It reads no more of them than a Standing has.
    spells = downtime.of(cast("Sequence[Monitor]", suspects), since, now) if suspects else {}
    each = {one.id: found for one in monitors if (found := _of(one, spells, since, now))}
    parts = _mean(list(each.values()))
    score = health.score(*(one.share for one in parts)) if each else None
    show_all = len(monitors) <= ALL
    scored = sorted((one for one in monitors if one.id in each), key=lambda one: (each[one.id].score, one.name))
    rest = [one for one in monitors if one.id not in each] if show_all else []
    classes = _classes(list(each.values()))
    return OrgHealth(
        score.score if score else None,
        parts,
        len(each),
        classes,
        "; ".join(f"{filters.count(one.count, 'monitor')} {one.words}" for one in classes if one.count),
        [_low(one, each.get(one.id)) for one in [*(scored if show_all else scored[:LOWEST]), *rest]],
        show_all,
    )


_SPOTLESS = health.score(1.0, 1.0, 1.0)
_UNTIMED = health.score(1.0, 1.0, None)


def _of(one: Standing, spells: Mapping[UUID, downtime.Downtime], since: datetime, now: datetime) -> Health | None:
    counts, timed = one.lately.counts, one.lately.timed
    spell = spells.get(one.id)
    if not spell and counts.expected and counts.succeeded == counts.expected and not counts.anomalies:
        return _SPOTLESS if timed else _UNTIMED  # nearly all, nearly always
    uptime = spell.uptime(since, now).share if spell else 1.0
    return health.score(uptime, counts.success_rate, health.performance(timed, counts.anomalies))


def _mean(each: Sequence[Health]) -> list[Part]:
    found = []
    for n, name in enumerate(("uptime", "success", "performance")):
        shares = [share for one in each if (share := one.parts[n].share) is not None]
        mean = sum(shares) / len(shares) if shares else None
        weight = (health.UPTIME_WEIGHT, health.SUCCESS_WEIGHT, health.PERFORMANCE_WEIGHT)[n]
        found.append(Part(NOUNS[name], weight, mean, _MEANS[name]))
    return found


def _classes(each: Sequence[Health]) -> list[Class]:
    counts = [sum(low <= one.score <= high for one in each) for low, high, _ in CLASSES]
    most = max(counts, default=0) or 1
    kinds = ("up", "up", "late", "down", "down")
    return [
        Class(words, count, round(100 * count / most, 1), kind)
        for (_, _, words), count, kind in zip(CLASSES, counts, kinds, strict=True)
    ]


def _low(one: Standing, known: Health | None) -> Low:
    public = ids.public("mon", one.id)
    url = url_for("monitors.show", monitor_id=public)
    score = known.score if known else None
    return Low(one.id, public, one.name, url, one.status.value, score, weakest(known) if known else "has not run yet")


def weakest(known: Health) -> str:
    """The part that costs most of the hundred points, in words; for a full score that nothing does."""
    costs = [(part.weight * (1 - part.share), part) for part in known.parts if part.share is not None]
    cost, part = max(costs, key=lambda pair: pair[0])
    if not cost:
        return "nothing amiss"
    assert part.share is not None
    said = {
        "uptime": f"down for {filters.percent(1 - part.share)} of the time",
        "success": f"{filters.percent(1 - part.share)} of its runs did not succeed",
        "performance": f"{filters.percent(1 - part.share)} of its runs were unlike the usual",
    }
    return said[part.name]
