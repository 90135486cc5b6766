"""The monitors that are heard most, and what would make them quieter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask import url_for

from tokiflow.core import durations, ids
from tokiflow.queries.incident_tallies import SHORT, Tally
from tokiflow.queries.standing import Standing
from tokiflow.web import filters

SHOWN = 5
LEAST = 3
"""Whoever had fewer incidents is not noisy."""


@dataclass(frozen=True, slots=True)
class Noisy:
    """A monitor with its incidents and alerts, and a hint what to do; `edit` is where."""

    id: UUID
    monitor_id: str
    name: str
    url: str
    edit: str
    incidents: int
    alerts: int
    hint: str


def read(tallies: Sequence[Tally], since: date, monitors: Mapping[UUID, Standing]) -> list[Noisy]:
    """Those with the most incidents since that day, the noisiest first."""
    mine: dict[UUID, list[Tally]] = {}
    for one in tallies:
        if one.day >= since and one.monitor_id in monitors:
            mine.setdefault(one.monitor_id, []).append(one)
    found = [_noisy(monitors[key], some) for key, some in mine.items() if sum(one.opened for one in some) >= LEAST]
    return sorted(found, key=lambda one: (-one.incidents - one.alerts, one.name))[:SHOWN]


def _noisy(monitor: Standing, tallies: Sequence[Tally]) -> Noisy:
    public = ids.public("mon", monitor.id)
    return Noisy(
        monitor.id, public, monitor.name, url_for("monitors.show", monitor_id=public),
        url_for("monitors.edit", monitor_id=public), sum(one.opened for one in tallies),
        sum(one.alerts for one in tallies), hint(monitor, tallies),
    )  # fmt: skip


def hint(monitor: Standing, tallies: Sequence[Tally]) -> str:
    """What to do, by what most of its incidents were, and whether they were over by themselves soon."""
    opened: Counter[str] = Counter()
    short: Counter[str] = Counter()
    for one in tallies:
        opened[one.kind] += one.opened
        short[one.kind] += one.short
    kind, count = opened.most_common(1)[0]
    soon = 2 * short[kind] >= count
    within = durations.words(SHORT.total_seconds())
    over = f"{short[kind]} of {count} were over within {within}"
    if kind == "missed":
        if soon:
            grace = durations.words(monitor.grace_seconds)
            return f"{filters.count(count, 'time')} missed; {over}. A longer grace than {grace} would keep them quiet."
        return f"{filters.count(count, 'time')} missed. Does its schedule say when it really runs?"
    if kind == "failed":
        if soon:
            return (
                f"Failed, and {over}. Let it open after {monitor.failures_to_open + 1} failures in a row, "
                f"not {monitor.failures_to_open}."
            )
        return f"{filters.count(count, 'incident')} of failed runs, and they last: the job itself needs a look."
    if kind == "overrun":
        longest = durations.words(monitor.max_runtime_seconds)
        return f"Ran longer than {longest} {filters.count(count, 'time')}. Raise its max runtime if that is how it is."
    return f"Told as unusual {filters.count(count, 'time')}. Lower its sensitivity if that is how it is."
