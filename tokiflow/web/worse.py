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
from tokiflow.core.worsening import What, Worse
from tokiflow.models import Incident, Run
from tokiflow.queries import findings, standing
from tokiflow.queries.standing import Standing, Standings, Stretch
from tokiflow.web import filters, troubles

SHOWN = standing.TOLD
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
    found: Standings, incidents: Iterable[Incident], before: datetime, since: datetime, now: datetime
) -> Worsenings:
    """Open performance incidents first, then what is late, then what fell against the time before, then what was
    unusual within a day; a monitor once. `found` knows of the incidents' monitors. Two statements."""
    first: dict[UUID, Worsening] = {}
    for incident in incidents:
        first.setdefault(incident.monitor_id, _incident(incident, now))
    late = [_row(one.id, one.name, "Late", late_words(one, now)) for one in found.late]
    rest: dict[UUID, Worsening] = {}
    for one, worse in _fell(found, before, since, now):
        rest.setdefault(one.id, _row(one.id, one.name, _WORDS[worse.what], sentence(worse)))
    for one, run in _unusual(found.unusual, now):
        rest.setdefault(one.id, _row(one.id, one.name, "Unusual", finding_words(run.findings or [])))
    counted = {one.id for one in (*found.failing, *found.slower, *found.unusual) if one.fails_more}
    total = len(first) + found.late_count + found.failing_count + len(rest.keys() - counted)
    rows = [*first.values(), *late, *rest.values()][:SHOWN]
    return Worsenings(rows, total - len(rows))


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


def _fell(found: Standings, before: datetime, since: datetime, now: datetime) -> list[tuple[Standing, Worse]]:
    """Monitors that got worse, each with the worst of it; the worst first."""
    times = standing.times([one.id for one in found.slower], before, since, now)
    worst = []
    for one in {one.id: one for one in (*found.failing, *found.slower)}.values():
        was, is_now = times.get(one.id, (None, None))
        for worse in worsening.judge(_stretch(one.before, was), _stretch(one.lately, is_now))[:1]:
            worst.append((one, worse))
    return sorted(worst, key=lambda pair: (-pair[1].weight, pair[0].name))


def _stretch(known: Stretch, times: Times | None) -> worsening.Stretch:
    if times is None:
        return worsening.Stretch(known.expected, known.succeeded)
    p50, p95 = times.quantiles(0.5, 0.95)
    return worsening.Stretch(known.expected, known.succeeded, times.count, p50, p95)


def _unusual(some: Sequence[Standing], now: datetime) -> list[tuple[Standing, Run]]:
    runs = findings.latest([one.id for one in some], now - UNUSUAL_FOR)
    return [(one, runs[one.id]) for one in some if one.id in runs]


def _incident(incident: Incident, now: datetime) -> Worsening:
    word = "Slower" if incident.kind == "degraded" else "Unusual"
    url = url_for("incidents.show", incident_id=ids.public("inc", incident.id))
    return _row(incident.monitor_id, incident.monitor.name, word, troubles.sentence(incident, now), url)


def _row(monitor_id: UUID, name: str, word: str, said: str, url: str = "") -> Worsening:
    public = ids.public("mon", monitor_id)
    return Worsening(
        public, name, url or url_for("monitors.show", monitor_id=public), "late", word, said, monitor_id
    )  # fmt: skip
