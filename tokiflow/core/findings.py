"""What may be found out about a run, with its reason in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """A run far from usual. All in the unit of the measure: `usual` is the median and `spread` the standard deviation,
    robust and with its floor; `z` says how many of these `value` is away; `low` and `high` bound what would be usual.

    `in_a_row` counts the unusual runs up to this one. Where weekdays differ, all is as is usual on `weekday` (0 is
    Monday). Where a job has several levels, all is of the nearest, and `others` are what is usual on the others.
    """

    value: float
    usual: float
    spread: float
    z: float
    low: float
    high: float
    in_a_row: int = 1
    weekday: int | None = None
    others: tuple[float, ...] = ()

    @property
    def too_much(self) -> bool:
        """Too long, too large, too many; else too short, too small, too few."""
        return self.value > self.usual


@dataclass(frozen=True)
class Slower:
    """The last runs, oldest first, all took longer than `p95` of those before; usual were `usual` ± `spread`."""

    values: tuple[float, ...]
    usual: float
    spread: float
    p95: float


@dataclass(frozen=True)
class Shift:
    """For `runs` runs the usual value has been `now`, after `before`. It is learnt, and not told again."""

    runs: int
    before: float
    now: float


@dataclass(frozen=True)
class Settled:
    """As usual again, after `runs` runs that were not. `slower` says that it had been slowness."""

    runs: int
    slower: bool


Finding = Verdict | Slower | Shift | Settled
