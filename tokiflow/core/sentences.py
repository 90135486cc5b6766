"""What happened and what to do, in plain complete sentences: the same on pages, in messages and in the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tokiflow.core import durations, findings
from tokiflow.core.measure import Measure
from tokiflow.core.schedule import zones
from tokiflow.core.status import Kind

LONGEST_QUOTE = 120


def clock(moment: datetime, now: datetime, timezone: str) -> str:
    """`02:05 in Berlin`, or `20 Nov 02:05 in Berlin` on another day; seconds only where they say something.

    The zone is always named: these words are kept, and read by people who live elsewhere.
    """
    local = moment.astimezone(_zone(timezone))
    text = local.strftime("%H:%M:%S" if local.second else "%H:%M")
    if local.date() != now.astimezone(_zone(timezone)).date():
        text = f"{local.day} {local.strftime('%b')} {text}"
    place = zones.city(_zone(timezone).key)
    return f"{text} UTC" if place == "UTC" else f"{text} in {place}"


def missed(deadline_at: datetime, now: datetime, timezone: str) -> str:
    """Why a `missed` incident opened."""
    return f"should have pinged by {clock(deadline_at, now, timezone)} and was silent"


def failed(exit_code: int | None, quote: str, in_a_row: int) -> str:
    """Why a `failed` incident opened: the exit code, how many times in a row, and the job's own last words."""
    text = f"exit code {exit_code}" if exit_code else "the job said it failed"
    if in_a_row > 1:
        text += f", {in_a_row} runs in a row"
    return f"{text}: “{_short(quote)}”" if quote.strip() else text


def overran(max_runtime: int, duration_ms: int | None) -> str:
    """Why an `overrun` incident opened: still running, or finished too late."""
    allowed = durations.words(max_runtime)
    if duration_ms is None:
        return f"has been running for longer than the {allowed} allowed"
    return f"took {durations.words(duration_ms / 1000)}, at most {allowed} is allowed"


def overlapped() -> str:
    """Why an `overrun` incident opened: a run began too soon."""
    return "started while the run before was still going, which is not allowed here"


def recovered(opened_at: datetime, resolved_at: datetime, by: str = "", *, unusual: bool = False) -> str:
    """How long the trouble lasted, and who ended it if a person did. `unusual`: it was no outage."""
    lasted = durations.words(max((resolved_at - opened_at).total_seconds(), 0))
    if by:
        return f"was resolved by {by} after {lasted}"
    return f"is {'as usual' if unusual else 'well'} again after {lasted}"


def blind(start: datetime, end: datetime) -> str:
    """What the timeline says when Tokiflow itself was away before a deadline."""
    length = durations.words((end - start) / timedelta(seconds=1))
    return f"Tokiflow itself could not listen for {length}; the deadline was moved by as much"


_ADVICE = {
    Kind.MISSED: "Check that the machine is up, that its scheduler (cron, timer) runs, and that the job can reach us.",
    Kind.OVERRUN: "See whether the job hangs or waits for a lock; stop it or let it finish, then find out why.",
    Kind.FAILED: "Read the last lines below, fix the cause, and run the job once by hand to see it recover.",
    Kind.ANOMALY: "Compare this run’s output with the last good one.",
    Kind.DEGRADED: "Look at what has grown: data, neighbours on the machine, or a slower service it depends on.",
}


def advice(kind: Kind) -> str:
    """What to do first about trouble of `kind`."""
    return _ADVICE[kind]


def last_line(output: str) -> str:
    """The last line of `output` that says something, without control characters."""
    for line in reversed(output.splitlines()):
        clean = "".join(letter for letter in line if letter.isprintable()).strip()
        if clean:
            return clean
    return ""


def unusual(found: findings.Finding, measure: Measure, name: str = "") -> str:
    """What was found out about a run, in its numbers: `took 3 s; usually 12 m ± 40 s on Sundays (z = −18)`.

    `name` is that of a metric.
    """
    if isinstance(found, findings.Verdict):
        about = f"{amount(found.usual, measure)} ± {amount(found.spread, measure)}"
        usual = f"usually {about}{on_days(found)}{or_others(found, measure)}"
        row = f", {found.in_a_row} runs in a row" if found.in_a_row > 1 else ""
        return f"{_did(found.value, measure, name)}; {usual} (z = {signed(found.z)}){row}"
    if isinstance(found, findings.Slower):
        values = ", ".join(amount(value, measure) for value in found.values)
        than = "slower" if measure is Measure.RUN_TIME else "higher"
        return (
            f"the last {len(found.values)} runs were {than} than 95 % of those before, {_goes(found.values)}: "
            f"{values}; usually {amount(found.usual, measure)}"
        )
    if isinstance(found, findings.Shift):
        now, before = amount(found.now, measure), amount(found.before, measure)
        return f"for {found.runs} runs it {_DOES[measure].format(name or 'the value')} {now}; before that, {before}"
    return f"as usual again after {found.runs} {'run' if found.runs == 1 else 'runs'}"


def _goes(values: Sequence[float]) -> str:
    """Where a row of slow runs goes: step by step, or its last half against its first."""
    half = len(values) // 2
    first, last = median(values[:half]), median(values[-half:])
    steps = {after > before for before, after in pairwise(values)}
    if last > first * TURNS or steps == {True}:
        return "and the trend is up"
    return "but the trend is down again" if last * TURNS < first else "and the trend is level"


READABLE = 1e15
"""A whole number from here on is told by its first digits: `1e+300` has three hundred."""
TURNS = 1.05
"""Halves of a row that differ by less are level."""


def on_days(found: findings.Verdict) -> str:
    """` on Sundays`, of a job whose weekdays differ."""
    return "" if found.weekday is None else f" on {_DAYS[found.weekday]}s"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def or_others(found: findings.Verdict, measure: Measure) -> str:
    """`, or about 1 h 12 m`, of a job that has another way to go."""
    return "".join(f", or about {amount(other, measure)}" for other in found.others)


def lead(kind: Kind, summary: str) -> str:
    """`summary` as it goes on behind the monitor's name: `has become slower: the last 6 runs were…`."""
    if kind is Kind.DEGRADED:
        return f"has {'become slower' if ' slower than ' in summary else 'grown'}: {summary}"
    return f"failed: {summary}" if kind is Kind.FAILED else summary


def shifted(found: findings.Shift, measure: Measure, name: str = "") -> str:
    """A new level, learnt and told once: `takes 20 m now, after 12 m`."""
    now, before = amount(found.now, measure), amount(found.before, measure)
    return f"{_DOES[measure].format(name or 'the value')} {now} now, after {before}"


def amount(value: float, measure: Measure) -> str:
    """A measured value with its unit: `12 m`, `34 KB`, `8,000`."""
    if measure is Measure.RUN_TIME:
        return durations.words(round(value) if value >= 10 else value)
    if measure is Measure.OUTPUT_SIZE:
        return durations.size(round(value))
    # Four digits are enough to see what is meant, and all of a whole number that somebody can read.
    size = abs(value)
    whole = 1000 <= size < READABLE or (size < 1000 and size == round(size))
    return ("−" if value < 0 else "") + (f"{size:,.0f}" if whole else f"{size:.4g}")


_DOES = {
    Measure.RUN_TIME: "takes",
    Measure.OUTPUT_SIZE: "prints",
    Measure.RUN_COUNT: "runs so often:",
    Measure.METRIC: "has {} at",
}


def _did(value: float, measure: Measure, name: str) -> str:
    if measure is Measure.RUN_COUNT:
        return f"ran {amount(value, measure)} {'time' if value == 1 else 'times'}"
    verb = {Measure.RUN_TIME: "took", Measure.OUTPUT_SIZE: "printed"}.get(measure, f"{name or 'the value'} was")
    return f"{verb} {amount(value, measure)}"


def signed(z: float) -> str:
    """`+2.4`, `−18`: with a real minus sign, and no more digits than say something."""
    digits = f"{abs(z):.1f}" if abs(z) < 9.95 else f"{abs(z):,.0f}"
    return f"{'−' if z < 0 else '+'}{digits.removesuffix('.0')}"


def _short(text: str) -> str:
    line = last_line(text)
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
