"""What gets worse, in words with numbers: "takes 34 m lately; it took 22 m"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import url_for

from tokiflow.core import durations, ids, worsening
from tokiflow.core.health import Times
from tokiflow.core.status import Status
from tokiflow.core.worsening import What, Worse
from tokiflow.models import Incident, Run
from tokiflow.queries import findings, standing
from tokiflow.queries.standing import Standing, Stretch
from tokiflow.web import filters, troubles

CANDIDATES = 60
"""So many monitors' run times are looked at closely: all, or those whose times grew most by rough sums."""
SHOWN = 8
UNUSUAL_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Worsening:
    """A line of the list. kind: the shape and word beside it, as components/status.html has them."""

    monitor_id: str
    name: str
    url: str
    kind: str
    word: str
    sentence: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Worsenings:
    """The first lines, and how many more there are."""

    rows: Sequence[Worsening]
    more: int


def read(
    monitors: Sequence[Standing], incidents: Iterable[Incident], before: datetime, since: datetime, now: datetime
) -> Worsenings:
    """Open performance incidents first, then what is late, then what fell against the time before, then what was
    unusual within a day; a monitor once. Two statements."""
    by_id = {one.id: one for one in monitors}
    found: dict[UUID, Worsening] = {}
    for incident in incidents:
        if incident.monitor_id in by_id:
            found.setdefault(incident.monitor_id, _incident(by_id[incident.monitor_id], incident, now))
    for one in sorted(_late(monitors), key=lambda one: one.due_at or now):
        found.setdefault(one.id, _row(one, "late", "Late", late_words(one, now)))
    for one, worse in _fell(monitors, before, since, now):
        found.setdefault(one.id, _row(one, "late", _WORDS[worse.what], sentence(worse)))
    for one, run in _unusual(monitors, now):
        found.setdefault(one.id, _row(one, "late", "Unusual", finding_words(run.findings or [])))
    rows = list(found.values())
    return Worsenings(rows[:SHOWN], max(0, len(rows) - SHOWN))


_WORDS = {What.SUCCESS: "Fails more", What.USUAL: "Slower", What.SLOWEST: "Slower"}


def sentence(worse: Worse) -> str:
    """What goes on behind the monitor's name."""
    if worse.what is What.SUCCESS:
        return f"succeeded in {_share(worse.lately)} of its runs lately; it was {_share(worse.before)}"
    now, was = rough(worse.lately), rough(worse.before)
    if worse.what is What.SLOWEST:
        return f"has slow runs of {now} lately; they took {was}"
    return f"takes {now} lately; it took {was}"


def late_words(one: Standing, now: datetime) -> str:
    """`is 12 m late; it becomes an incident at 02:10`."""
    if one.due_at is None or one.due_at > now:
        return f"missed {filters.count(one.misses, 'ping')} and was heard again"
    said = f"is {rough((now - one.due_at).total_seconds())} late"
    if one.deadline_at and one.deadline_at > now:
        when = filters.clock(one.deadline_at)
        return f"{said}; it becomes an incident {when if ' ' in when else f'at {when}'}"
    return said


def finding_words(found: Sequence[Mapping[str, Any]]) -> str:
    """What was unlike the usual, by its numbers where they are known: `took 34 m; usually 22 m`."""
    for one in found:
        value, usual = one.get("value"), one.get("usual")
        if one.get("measure") == "run_time" and isinstance(value, int | float) and isinstance(usual, int | float):
            return f"took {rough(value)}; usually {rough(usual)}"
    return "ran unlike the usual"


def rough(seconds: float) -> str:
    """A run time as one says it: seconds don't matter beyond ten minutes."""
    return durations.words(round(seconds / 60) * 60 if seconds >= 600 else seconds)


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _late(monitors: Iterable[Standing]) -> list[Standing]:
    return [one for one in monitors if one.status is Status.LATE]


def _fell(
    monitors: Sequence[Standing], before: datetime, since: datetime, now: datetime
) -> list[tuple[Standing, Worse]]:
    """Monitors that got worse, each with the worst of it; the worst first."""
    watched = [one for one in monitors if one.status in (Status.UP, Status.LATE)]
    timed = [one for one in watched if min(one.before.timed, one.lately.timed) >= worsening.LEAST_RUNS]
    if len(timed) > CANDIDATES:
        timed = sorted(timed, key=lambda one: -one.lately.rms_ms / max(one.before.rms_ms, 1))[:CANDIDATES]
    times = standing.times([one.id for one in timed], before, since, now)
    found = []
    for one in watched:
        was, is_now = times.get(one.id, (None, None))
        for worse in worsening.judge(_stretch(one.before, was), _stretch(one.lately, is_now))[:1]:
            found.append((one, worse))
    return sorted(found, key=lambda pair: (-pair[1].weight, pair[0].name))


def _stretch(known: Stretch, times: Times | None) -> worsening.Stretch:
    counts = known.counts
    if times is None:
        return worsening.Stretch(counts.expected, counts.succeeded)
    p50, p95 = times.quantiles(0.5, 0.95)
    return worsening.Stretch(counts.expected, counts.succeeded, times.count, p50, p95)


def _unusual(monitors: Iterable[Standing], now: datetime) -> list[tuple[Standing, Run]]:
    odd = {one.id: one for one in monitors if one.lately.counts.anomalies and one.status is not Status.PAUSED}
    some = sorted(odd, key=lambda key: -odd[key].lately.counts.anomalies)[: 4 * SHOWN]
    runs = findings.latest(some, now - UNUSUAL_FOR)
    return [(odd[key], runs[key]) for key in some if key in runs]


def _incident(one: Standing, incident: Incident, now: datetime) -> Worsening:
    word = "Slower" if incident.kind == "degraded" else "Unusual"
    url = url_for("incidents.show", incident_id=ids.public("inc", incident.id))
    return _row(one, "late", word, troubles.sentence(incident, now), url)


def _row(one: Standing, kind: str, word: str, said: str, url: str = "") -> Worsening:
    public = ids.public("mon", one.id)
    return Worsening(public, one.name, url or url_for("monitors.show", monitor_id=public), kind, word, said, one.id)
