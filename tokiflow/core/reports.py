"""What a report of service levels says about monitors: in numbers and in sentences.

A page, a mail, a PDF and a CSV are dresses of the same `Report`, and none of them reckons anything itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from tokiflow.core import durations, health, shares
from tokiflow.core.health import Uptime
from tokiflow.core.stretches import Stretch

GOOD = 0.99
"""Up time and success rate are well from here on."""


@dataclass(frozen=True, slots=True)
class Line:
    """One monitor. `days` are its up time day by day, `incidents` those that began; seconds, and shares of 0–1."""

    monitor_id: UUID
    name: str
    slug: str
    tags: Sequence[str]
    uptime: Uptime
    expected: int
    succeeded: int
    failed: int
    overran: int
    missed: int
    incidents: int
    p95: float | None
    score: int | None
    days: Sequence[Uptime]

    @property
    def success_rate(self) -> float | None:
        return health.success_rate(self.succeeded, self.failed, self.overran, self.missed)

    @property
    def known(self) -> bool:
        """Whether anything was expected of it, or came."""
        return self.uptime.watched > 0 or self.expected > 0

    @property
    def often_down(self) -> bool:
        """Whether its up time deserves colour, which is spent on trouble only."""
        return self.uptime.share is not None and self.uptime.share < GOOD

    @property
    def often_bad(self) -> bool:
        """Whether its success rate does."""
        return self.success_rate is not None and self.success_rate < GOOD


@dataclass(frozen=True, slots=True)
class Day:
    """A day on which some were down: how many monitors, and for how many seconds together."""

    day: date
    monitors: int
    down: float


@dataclass(frozen=True)
class Report:
    """All of it. `tag` is empty where it is about all monitors."""

    organization: str
    tag: str
    stretch: Stretch
    made_at: datetime
    lines: Sequence[Line]

    @property
    def about(self) -> str:
        """`all monitors`, or `monitors tagged db`."""
        return f"monitors tagged {self.tag}" if self.tag else "all monitors"

    @property
    def title(self) -> str:
        """`Report for October 2026`."""
        return f"Report for {self.stretch.words}"

    @cached_property
    def total(self) -> Line:
        """All monitors together, as if they were one. Its days are theirs, too."""
        lines = self.lines
        return Line(
            monitor_id=UUID(int=0), name="All together", slug="", tags=(),
            uptime=_added([one.uptime for one in lines]),
            expected=sum(one.expected for one in lines),
            succeeded=sum(one.succeeded for one in lines),
            failed=sum(one.failed for one in lines),
            overran=sum(one.overran for one in lines),
            missed=sum(one.missed for one in lines),
            incidents=sum(one.incidents for one in lines),
            p95=None,
            score=_mean([one.score for one in lines if one.score is not None]),
            days=[_added(list(day)) for day in zip(*(one.days for one in lines), strict=True)],
        )  # fmt: skip

    @cached_property
    def worst_days(self) -> Sequence[Day]:
        """Up to five days on which monitors were down, the worst first."""
        found = [
            Day(day, sum(one.days[n].down > 0 for one in self.lines), self.total.days[n].down)
            for n, day in enumerate(self.stretch.days if self.lines else ())
            if self.total.days[n].down > 0
        ]
        return sorted(found, key=lambda one: (-one.down, one.day))[:5]

    @property
    def sentences(self) -> list[str]:
        """What matters, in three sentences; one where nothing was watched."""
        known = [one for one in self.lines if one.known]
        if not known:
            return [self._nothing()]
        return [self._up(known), self._ran(), self._stood_out()]

    def _nothing(self) -> str:
        if not self.lines:
            return f"No monitor is tagged {self.tag}." if self.tag else "There are no monitors yet."
        return "Nothing was expected of these monitors then: they are newer, were paused, or have never been heard of."

    def _up(self, known: Sequence[Line]) -> str:
        down = [one for one in known if one.uptime.down > 0]
        of = _counted(len(known), "monitor")
        if not down:
            was = "was" if len(known) == 1 else "were"
            return f"{'The one monitor' if len(known) == 1 else f'All {of}'} {was} up all the time."
        total = self.total.uptime
        outages, lasted = _counted(total.outages, "outage"), durations.words(total.down)
        return f"{of} {_was(known)} up {shares.percent(total.share)} of the time: {outages} took {lasted} in all."

    def _ran(self) -> str:
        total = self.total
        if not total.expected:
            return "No run was expected."
        wrong = {"failed": total.failed, "overran": total.overran, "were missed": total.missed}
        told = [
            f"{number:,} {word if number > 1 else word.replace('were', 'was')}"
            for word, number in wrong.items()
            if number
        ]
        runs = _counted(total.expected, "run")
        if not told:
            return f"{'The one run' if total.expected == 1 else f'All {runs}'} succeeded."
        return f"Of {runs}, {shares.percent(total.success_rate)} succeeded: {_listed(told)}."

    def _stood_out(self) -> str:
        worst = max(self.lines, key=lambda one: one.uptime.down)
        if not worst.uptime.down:
            slow = [one for one in self.lines if one.success_rate is not None and one.success_rate < 1]
            if not slow:
                return "Nothing stands out."
            least = min(slow, key=lambda one: one.success_rate or 0)
            return f"{least.name} did worst: {shares.percent(least.success_rate)} of its runs succeeded."
        of, outages = durations.words(worst.uptime.down), _counted(worst.uptime.outages, "outage")
        said = f"{worst.name} was down longest, {of} in {outages}"
        day = self.worst_days[0] if self.worst_days else None
        if day is None or len(self.stretch.days) < 2:
            return f"{said}."
        return f"{said}; the worst day was {day.day:%A}, {day.day.day} {day.day:%B}."


def worst_first(lines: Sequence[Line]) -> list[Line]:
    """Those that were down longest, then those whose runs failed most; last those of whom nothing is known."""
    return sorted(lines, key=lambda one: (not one.known, -one.uptime.down, _success(one), one.name.casefold()))


def _success(one: Line) -> float:
    """Where none were due there is nothing bad either: after all that succeeded."""
    return 2.0 if one.success_rate is None else one.success_rate


def weeks(days: Sequence[Uptime], at_a_time: int) -> Iterator[Uptime]:
    """The same with so many days in one: a bar for each of a year's days would be too thin to see."""
    for start in range(0, len(days), at_a_time):
        yield _added(days[start : start + at_a_time])


def _added(several: Sequence[Uptime]) -> Uptime:
    return Uptime(
        sum(one.watched for one in several), sum(one.down for one in several), sum(one.outages for one in several)
    )


def _mean(scores: Sequence[int]) -> int | None:
    return int(sum(scores) / len(scores) + 0.5) if scores else None


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one if number == 1 else one + 's'}"


def _was(several: Sequence[object]) -> str:
    return "was" if len(several) == 1 else "were"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
