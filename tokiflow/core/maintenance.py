"""When trouble is expected: the stretches of time that maintenance windows plan.

A stretch holds its start and not its end, both aware UTC. A duration is real time: a window of four hours that begins
at midnight ends at 05:00 on the night when clocks go forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tokiflow.core import schedule
from tokiflow.core.schedule import Cron

LEAPS = 100
"""So many stretches are followed that each begin before the one before has ended; a plan can go on for ever."""

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch, from `starts_at` up to, not including, `ends_at`. `words`: what the calendar says about it."""

    starts_at: datetime
    ends_at: datetime
    words: str = ""

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class Once:
    """A single stretch."""

    span: Span


@dataclass(frozen=True, slots=True)
class Repeating:
    """A stretch of `seconds` from each run of `schedule` on: those that begin at `since` or later, cut at `until`."""

    schedule: Cron
    seconds: int
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The stretches of a calendar that begin at `since` or later."""

    spans: Sequence[Span]
    since: datetime | None = None


Plan = Once | Repeating | Listed


def covering(plan: Plan, at: datetime) -> Span | None:
    """The stretch of `plan` that holds `at`; of several the one that ends last. None if nothing is planned then."""
    if isinstance(plan, Repeating):
        begun = schedule.previous_before(plan.schedule, at + _INSTANT)
        span = _stretch(plan, begun) if begun is not None else None
        return span if span is not None and span.holds(at) else None
    holding = [span for span in _spans(plan) if span.holds(at)]
    return max(holding, key=lambda span: span.ends_at, default=None)


def following(plan: Plan, at: datetime, count: int = 1) -> list[Span]:
    """The next stretches that begin after `at`, at most `count`, the earliest first."""
    if isinstance(plan, Repeating):
        return _planned(plan, at, count)
    coming = [span for span in _spans(plan) if span.starts_at > at]
    return sorted(coming, key=lambda span: (span.starts_at, span.ends_at))[:count]


def ends_at(plans: Iterable[Plan], at: datetime) -> datetime | None:
    """When it is first quiet again after `at`: the end of the chain of stretches that hold without a gap.

    None if none of `plans` holds `at`. A chain is followed for a hundred stretches.
    """
    plans, end = tuple(plans), at
    for _ in range(LEAPS):
        later = max((span.ends_at for plan in plans if (span := covering(plan, end))), default=end)
        if later <= end:
            break
        end = later
    return None if end == at else end


def _planned(plan: Repeating, at: datetime, count: int) -> list[Span]:
    found: list[Span] = []
    moment = max(at, plan.since - _INSTANT) if plan.since else at
    while len(found) < count:
        try:
            moment = schedule.next_after(plan.schedule, moment)
        except ValueError:  # the calendar ends
            break
        span = _stretch(plan, moment)
        if span is None:
            break
        found.append(span)
    return found


def _stretch(plan: Repeating, begun: datetime) -> Span | None:
    """The stretch that begins at `begun`, or None where the plan has not begun yet or is over."""
    if (plan.since and begun < plan.since) or (plan.until and begun >= plan.until):
        return None
    end = begun + timedelta(seconds=plan.seconds)
    return Span(begun, min(end, plan.until) if plan.until else end)


def _spans(plan: Once | Listed) -> Iterable[Span]:
    if isinstance(plan, Once):
        return (plan.span,)
    return (span for span in plan.spans if plan.since is None or span.starts_at >= plan.since)
