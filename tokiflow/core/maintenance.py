"""When trouble is expected: the stretches of time that maintenance windows plan.

A stretch holds its start and not its end, both aware UTC. A duration is real time: a window of four hours that begins
at midnight ends at 05:00 on the night when clocks go forward.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tokiflow.core import schedule
from tokiflow.core.schedule import Cron

LEAPS = 100
"""So many stretches are followed that each begin before the one before has ended; a plan can go on for ever."""

MOST_AT_ONCE = 10_000
"""Of one plan no more stretches are looked at in a stretch of time."""

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
        return list(itertools.islice(_from(plan, at), count))
    coming = [span for span in _spans(plan) if span.starts_at > at]
    return sorted(coming, key=lambda span: (span.starts_at, span.ends_at))[:count]


def overlapping(plan: Plan, since: datetime, until: datetime) -> list[Span]:
    """The stretches of `plan` that share some time with that from `since` up to `until`, the earliest first."""
    if isinstance(plan, Repeating):
        begin = since - timedelta(seconds=plan.seconds)
        spans: Iterable[Span] = itertools.islice(_from(plan, begin), MOST_AT_ONCE)
        spans = itertools.takewhile(lambda span: span.starts_at < until, spans)
    else:
        spans = sorted(_spans(plan), key=lambda span: (span.starts_at, span.ends_at))
    return [span for span in spans if span.starts_at < until and span.ends_at > since]


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


def _from(plan: Repeating, at: datetime) -> Iterator[Span]:
    """The stretches that begin after `at`, one after the other."""
    moment = max(at, plan.since - _INSTANT) if plan.since else at
    while True:
        try:
            moment = schedule.next_after(plan.schedule, moment)
        except ValueError:  # the calendar ends
            return
        span = _stretch(plan, moment)
        if span is None:
            return
        yield span


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
