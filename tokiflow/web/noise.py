"""The monitors that are heard most, and what would make them quieter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from tokiflow.core import durations, ids
from tokiflow.queries import incident_tallies
from tokiflow.queries.incident_tallies import SHORT, Noise
from tokiflow.web import filters


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


def read(organization_id: UUID, since: datetime, now: datetime) -> list[Noisy]:
    """Those with the most incidents since then, the noisiest first. One statement."""
    return [_noisy(one) for one in incident_tallies.noisiest(organization_id, since, now)]


def _noisy(one: Noise) -> Noisy:
    public = ids.public("mon", one.id)
    return Noisy(
        one.id, public, one.name, url_for("monitors.show", monitor_id=public),
        url_for("monitors.edit", monitor_id=public), one.incidents, one.alerts, hint(one),
    )  # fmt: skip


def hint(one: Noise) -> str:
    """What to do, by what most of its incidents were, and whether they were over by themselves soon."""
    kind, (count, short) = max(one.kinds.items(), key=lambda pair: pair[1][0])
    soon = 2 * short >= count
    within = durations.words(SHORT.total_seconds())
    over = f"{short} of {count} were over within {within}"
    if kind == "missed":
        if soon:
            grace = durations.words(one.grace)
            return f"{filters.count(count, 'time')} missed; {over}. A longer grace than {grace} would keep them quiet."
        return f"{filters.count(count, 'time')} missed. Does its schedule say when it really runs?"
    if kind == "failed":
        if soon:
            return (
                f"Failed, and {over}. Let it open after {one.failures_to_open + 1} failures in a row, "
                f"not {one.failures_to_open}."
            )
        return f"{filters.count(count, 'incident')} of failed runs, and they last: the job itself needs a look."
    if kind == "overrun":
        longest = durations.words(one.max_runtime)
        return f"Ran longer than {longest} {filters.count(count, 'time')}. Raise its max runtime if that is how it is."
    return f"Told as unusual {filters.count(count, 'time')}. Lower its sensitivity if that is how it is."
