"""Runs as templates get them: rows of a table, what is running now, steps and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for

from tokiflow.core import durations, ids
from tokiflow.core.runs import Outcome
from tokiflow.models import Monitor, Ping, Run
from tokiflow.web import charts, filters, findings


@dataclass(frozen=True)
class Row:
    """A run in a table. `seconds` is how long it took, or None where nobody knows; `odd` what was unlike the usual."""

    id: str
    url: str
    outcome: str
    at: datetime
    seconds: float | None
    exit_code: int | None
    environment: str
    message: str
    output_size: int
    output_url: str
    odd: Sequence[findings.Finding]


def rows(monitor_id: str, found: Sequence[Run]) -> list[Row]:
    """The runs of the monitor whose public id is `monitor_id`."""
    return [_row(monitor_id, run) for run in found]


def _row(monitor_id: str, run: Run) -> Row:
    public_id = ids.public("run", run.id)
    url = url_for("runs.show", monitor_id=monitor_id, run_id=public_id)
    return Row(
        id=public_id,
        url=url,
        outcome=run.outcome,
        at=run.finished_at or run.at,
        seconds=seconds(run),
        exit_code=run.exit_code,
        environment=run.environment,
        message=run.message,
        output_size=run.output_size,
        output_url=f"{url}#output",
        odd=findings.of(run.findings),
    )


def seconds(run: Run) -> float | None:
    """How long the run took."""
    return None if run.duration_ms is None else run.duration_ms / 1000


@dataclass(frozen=True)
class Step:
    """A part of a run that told its progress: `seconds` until the next one, None while it is the last."""

    name: str
    at: datetime
    seconds: float | None


@dataclass(frozen=True)
class Running:
    """A run under way. `bar` is None if it never told how far it is."""

    url: str
    started_at: datetime
    seconds: float
    allowed: float
    overdue: bool
    environment: str
    bar: charts.Progress | None
    steps: Sequence[Step]


def running(
    monitor: Monitor, found: Sequence[Run], pings: Mapping[Any, Sequence[Ping]], now: datetime
) -> list[Running]:
    """The runs of `found` as they stand at `now`; `pings` are theirs, by run."""
    monitor_id = ids.public("mon", monitor.id)
    return [
        Running(
            url=url_for("runs.show", monitor_id=monitor_id, run_id=ids.public("run", run.id)),
            started_at=run.started_at or run.at,
            seconds=max(0.0, (now - (run.started_at or run.at)).total_seconds()),
            allowed=monitor.max_runtime_seconds,
            overdue=run.outcome == Outcome.OVERRAN,
            environment=run.environment,
            bar=bar(run.progress),
            steps=steps(pings.get(run.id, ()), None),
        )
        for run in found
    ]


def bar(said: Mapping[str, Any] | None) -> charts.Progress | None:
    """How far a run said it is."""
    if not said:
        return None
    return charts.progress(said.get("percent"), said.get("step"), said.get("total"), said.get("name") or "")


def steps(pings: Sequence[Ping], finished_at: datetime | None) -> list[Step]:
    """The steps a run named on its way, with how long each took. The last one ends with the run."""
    named: list[tuple[str, datetime]] = []
    for ping in pings:
        name = _step_name(ping.progress)
        if name and (not named or named[-1][0] != name):
            named.append((name, ping.at))
    ends = [*(at for _, at in named[1:]), finished_at]
    if not named:
        return []
    return [
        Step(name, at, None if end is None else max(0.0, (end - at).total_seconds()))
        for (name, at), end in zip(named, ends, strict=True)
    ]


def _step_name(said: Mapping[str, Any] | None) -> str:
    if not said:
        return ""
    where = f"Step {said['step']}" + (f" of {said['total']}" if said.get("total") else "") if said.get("step") else ""
    return ": ".join(filter(None, [where, said.get("name") or ""]))


def sentence(run: Run) -> str:
    """How it went: `Took 3 m 12 s and ended with exit code 0.`"""
    took = durations.words(run.duration_ms / 1000) if run.duration_ms is not None else ""
    code = f"exit code {run.exit_code}" if run.exit_code is not None else ""
    if run.outcome == Outcome.MISSED:
        return f"No ping came by {filters.clock(run.at)}: this run was expected and nothing was heard of it."
    if run.finished_at is None:
        return "It has not said that it ended yet."
    ending = f"ended with {code}" if code else "ended"
    return f"{'Took ' + took + ' and ' if took else ''}{ending}.".replace("ended", "Ended", 0 if took else 1)


def facts(run: Run) -> list[tuple[str, str]]:
    """Times, length, exit code and what it was called."""
    pairs = [
        ("Due", filters.exact(run.due_at) if run.due_at else ""),
        ("Started", filters.exact(run.started_at) if run.started_at else ""),
        ("Finished", filters.exact(run.finished_at) if run.finished_at else ""),
        ("Took", filters.duration(seconds(run)) if run.duration_ms is not None else ""),
        ("Allowed until", filters.exact(run.deadline_at) if run.deadline_at and not run.finished_at else ""),
        ("Ran too long at", filters.exact(run.overran_at) if run.overran_at else ""),
        ("Exit code", str(run.exit_code) if run.exit_code is not None else ""),
        ("Environment", run.environment),
        ("Run id", str(run.rid) if run.rid else ""),
        ("Output", durations.size(run.output_size) if run.output_size else "none"),
    ]
    return [(word, value) for word, value in pairs if value]
