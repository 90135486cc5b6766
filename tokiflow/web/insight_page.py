"""How a monitor's job does over time, as its page of insight gets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from tokiflow.core import durations, health, ids, sentences
from tokiflow.models import Incident, Monitor
from tokiflow.queries import analytics, incidents
from tokiflow.queries.analytics import Counts, Figures, Ledger, Picture, Silence
from tokiflow.web import filters, histogram_chart, periods, standing, uptime_chart, year_chart

SILENCES = 12
ENOUGH = 10
"""From so many runs on it is known what is usual."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the health score: what it weighs in per cent, how full its bar is, and what it comes from."""

    name: str
    weight: int
    done: float | None
    value: str
    why: str


@dataclass(frozen=True)
class Health:
    """The score and its three parts. `left_out` names those of which nothing is known."""

    score: int
    said: str
    parts: Sequence[Part]
    left_out: str


@dataclass(frozen=True, slots=True)
class Missed:
    """When the job said nothing: from when until when, how many runs did not come, and the incident that it opened."""

    due_at: datetime
    until: datetime | None
    runs: int
    incident_url: str
    runs_url: str


@dataclass(frozen=True)
class Plan:
    """What was planned and what came of it."""

    said: str
    figures: Sequence[tuple[str, str, str]]
    missed: Sequence[Missed]
    more: int


@dataclass(frozen=True)
class Page:
    """What stands on the page, from top to bottom."""

    id: str
    standing: standing.Standing
    asked: periods.Asked
    words: str
    empty: bool
    health: Health | None
    times: Sequence[tuple[str, str, str]]
    histogram: histogram_chart.Histogram | None
    reliability: Sequence[tuple[str, str, str]]
    uptime: uptime_chart.Bars
    year: year_chart.Year | None
    plan: Plan


def read(monitor: Monitor, asked: periods.Asked, now: datetime) -> Page:
    """All that the page shows of `monitor`."""
    picture = analytics.picture(monitor, asked.period, now)
    figures = picture.figures
    troubles = incidents.of_monitor(monitor.id, 100) if picture.ledger.silences else ()

    def runs_of(day: datetime) -> str:
        return url_for("runs.index", monitor_id=ids.public("mon", monitor.id), day=f"{day:%Y-%m-%d}")

    return Page(
        id=ids.public("mon", monitor.id),
        standing=standing.read(monitor, now),
        asked=asked,
        words=asked.words,
        empty=not any(day.counts.expected for day in picture.days) and not figures.counts.expected,
        health=_health(figures),
        times=_times(figures, analytics.latest(monitor.id, figures.since, now)),
        histogram=histogram_chart.of(picture.bars, [("p50", figures.p50), ("p95", figures.p95), ("p99", figures.p99)]),
        reliability=_reliability(figures),
        uptime=uptime_chart.of(picture.days, runs_of),
        year=year_chart.of(picture.days, runs_of),
        plan=_plan(picture, troubles, monitor.id),
    )


def _health(figures: Figures) -> Health | None:
    if figures.health is None:
        return None
    why = {"uptime": _up(figures), "success": _well(figures.counts), "performance": _usual(figures)}
    parts = [
        Part(
            {"uptime": "Uptime", "success": "Success", "performance": "As usual"}[part.name],
            round(100 * part.weight),
            None if part.share is None else round(100 * part.share, 1),
            filters.percent(part.share),
            why[part.name],
        )
        for part in figures.health.parts
    ]
    unknown = [part.name.lower() for part in parts if part.done is None]
    perfect = all(part.share in (None, 1) for part in figures.health.parts)
    return Health(
        figures.health.score,
        "Nothing went wrong." if perfect else _standing(figures.health.score),
        parts,
        " and ".join(unknown),
    )


def _standing(score: int) -> str:
    if score >= 95:
        return "In good health."
    return "It has had better days." if score >= 80 else "It needs attention."


def _up(figures: Figures) -> str:
    uptime = figures.uptime
    if uptime.share is None:
        return "Nothing was watched in this time: it was new or paused."
    if not uptime.outages:
        return "It was never down."
    return f"It was down {_times_in_words(uptime.outages)}, for {durations.words(uptime.down)} in all."


def _times_in_words(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _well(counts: Counts) -> str:
    if not counts.expected:
        return "No run ended in this time."
    odd = [(counts.failed, "failed"), (counts.overran, "ran too long"), (counts.missed, "never came")]
    head = f"{counts.succeeded:,} of {filters.count(counts.expected, 'run')} ended well"
    return ", ".join([head, *(f"{number:,} {word}" for number, word in odd if number)]) + "."


def _usual(figures: Figures) -> str:
    timed, odd = figures.times.count, figures.counts.anomalies
    if not timed:
        return "No run that ended well told how long it took."
    if not odd and timed < ENOUGH:
        return f"With fewer than {ENOUGH} runs nobody knows what is usual yet; until then all of them are."
    if not odd:
        return f"{filters.count(timed, 'run')} told how long they took, none was unlike the usual."
    return f"{odd:,} of {filters.count(timed, 'run')} {'was' if odd == 1 else 'were'} unlike the usual."


def _times(figures: Figures, latest: float | None) -> list[tuple[str, str, str]]:
    times = figures.times
    z = None if latest is None else health.z_score(latest, times.mean, times.stddev)
    return [
        ("Shortest", filters.duration(times.shortest), ""),
        ("p50", filters.duration(figures.p50), "half are quicker"),
        ("p95", filters.duration(figures.p95), "one in 20 is slower"),
        ("p99", filters.duration(figures.p99), "one in 100 is slower"),
        ("Longest", filters.duration(times.longest), ""),
        ("Mean", filters.duration(times.mean), f"± {durations.words(times.stddev)}" if times.stddev else ""),
        ("Latest", filters.duration(latest), f"z = {sentences.signed(z)}" if z is not None else ""),
    ]


def _reliability(figures: Figures) -> list[tuple[str, str, str]]:
    uptime, counts = figures.uptime, figures.counts
    succeeded = f"{counts.succeeded:,} of {filters.count(counts.expected, 'run')}" if counts.expected else ""
    outages = filters.count(uptime.outages, "outage")
    return [
        ("Success rate", filters.percent(counts.success_rate), succeeded),
        ("Between failures", filters.duration(uptime.mtbf), "on average" if uptime.outages else "no outage"),
        ("To recovery", filters.duration(uptime.mttr), f"on average, {outages}" if uptime.outages else "no outage"),
    ]


def _plan(picture: Picture, troubles: Sequence[Incident], monitor_id: UUID) -> Plan:
    ledger = picture.ledger
    return Plan(
        _planned(ledger),
        [
            ("Expected", f"{ledger.expected:,}", ""),
            ("Ran", f"{ledger.ran:,}", ""),
            ("Missed", f"{ledger.missed:,}", ""),
        ],
        [_missed(silence, troubles, monitor_id) for silence in ledger.silences[:SILENCES]],
        max(0, len(ledger.silences) - SILENCES),
    )


def _planned(ledger: Ledger) -> str:
    """What the three numbers mean together, where they don't add up by themselves."""
    extra = ledger.ran + ledger.missed - ledger.expected
    if not ledger.expected and not ledger.ran:
        return "Nothing was planned in this time."
    if extra > 0:
        return f"It ran {_times_in_words(extra)} more than planned."
    if extra < 0:
        left = filters.count(-extra, "planned run")
        return f"{left} did not come without being missed: while a job is late or runs, and with another schedule."
    return "" if ledger.missed else "Every run came that was planned."


def _missed(silence: Silence, troubles: Sequence[Incident], monitor_id: UUID) -> Missed:
    incident = _incident(silence, troubles)
    day = f"{silence.due_at:%Y-%m-%d}"
    return Missed(
        silence.due_at,
        silence.until,
        silence.missed,
        url_for("incidents.show", incident_id=ids.public("inc", incident.id)) if incident else "",
        url_for("runs.index", monitor_id=ids.public("mon", monitor_id), day=day),
    )


def _incident(silence: Silence, troubles: Sequence[Incident]) -> Incident | None:
    """The outage that the silence opened or fell into. It is dated to the deadline, which is not before it was due."""
    return next(
        (
            one
            for one in reversed(troubles)
            if one.class_ == "outage"
            and (silence.until is None or one.opened_at <= silence.until)
            and (one.resolved_at is None or one.resolved_at > silence.due_at)
        ),
        None,
    )
