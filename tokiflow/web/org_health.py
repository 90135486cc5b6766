"""How an organization does, as one number and what it is made of; and the monitors that pull it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import url_for

from tokiflow.core import health, ids
from tokiflow.core.health import Health
from tokiflow.queries import standing
from tokiflow.queries.standing import Standing, Standings
from tokiflow.web import filters

LOWEST = 5
ALL = standing.LOWEST
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
    """score: None where no monitor has done anything yet. `all` says that `lowest` are all monitors there are; of more,
    it is empty where all have the full score."""

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


def read(found: Standings, total: int) -> OrgHealth:
    """The health of all `total` monitors together: that of the mean of each part, so every monitor weighs the same,
    however often it runs."""
    sums = found.sums
    parts = [
        Part(NOUNS[part.name], part.weight, part.share, _MEANS[part.name])
        for part in health.parts(sums.uptime, sums.success, sums.performance)
    ]
    score = health.score(sums.uptime, sums.success, sums.performance)
    lowest = [_low(one) for one in found.lowest]
    classes = _classes(sums.scores)
    return OrgHealth(
        score.score if score else None,
        parts,
        sum(sums.scores.values()),
        classes,
        "; ".join(f"{filters.count(one.count, 'monitor')} {one.words}" for one in classes if one.count),
        lowest if total <= ALL else _amiss(lowest[:LOWEST]),
        total <= ALL,
    )


def _amiss(lowest: Sequence[Low]) -> list[Low]:
    """Those with a score, if there is anything to tell of them: five times 100 say nothing."""
    scored = [one for one in lowest if one.score is not None]
    return scored if any(one.score != 100 for one in scored) else []


def _classes(scores: Mapping[int, int]) -> list[Class]:
    counts = [sum(scores.get(score, 0) for score in range(low, high + 1)) for low, high, _ in CLASSES]
    most = max(counts, default=0) or 1
    kinds = ("up", "up", "late", "down", "down")
    return [
        Class(words, count, round(100 * count / most, 1), kind)
        for (_, _, words), count, kind in zip(CLASSES, counts, kinds, strict=True)
    ]


def _low(one: Standing) -> Low:
    public, known = ids.public("mon", one.id), one.health
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
