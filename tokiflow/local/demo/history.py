"""What the jobs said in a month: every ping, in order, believable and the same for the same seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tokiflow.core import schedule
from tokiflow.core.schedule import Every, Schedule
from tokiflow.core.signals import Ping, Progress, Signal
from tokiflow.local.demo.job import Ending, Job, Trouble

LENGTH = timedelta(days=30)
SLOW_SHARE = 0.015
OUTPUTS_KEPT = timedelta(days=7)
PAUSED_FOR = timedelta(days=2)
RUNNING_FOR = timedelta(minutes=11)
LATE_BY = timedelta(minutes=50)
HASTY_SECONDS = 3.2
SILENT_FOR = timedelta(minutes=30)
AGENTS = {True: "tokiflow-run/0.1", False: "curl/8.5.0"}


@dataclass(frozen=True)
class Planned:
    """One run as it was to begin, and what went wrong with it."""

    at: datetime
    trouble: Trouble | None = None


def pings(job: Job, plan: Schedule, now: datetime, chance: random.Random) -> Iterator[Ping]:
    """What `job` sent in the month before `now`, oldest first."""
    if job.ending is Ending.NEW:
        return
    planned = _with_troubles(job, _until_the_end(job, plan, _occurrences(job, plan, now, chance), now), now)
    for number, one in enumerate(planned, 1):
        if one.trouble is None or one.trouble.kind != "missed":
            under_way = job.ending is Ending.RUNNING and number == len(planned)
            hasty = job.ending is Ending.UNUSUAL and number == len(planned)
            yield from _still_running(job, one, now) if under_way else _run(job, one, now, chance, hasty=hasty)


def seconds(job: Job, chance: random.Random) -> float:
    """How long one run of `job` takes: log-normal around the usual, and now and then much longer."""
    usual = job.seconds * math.exp(chance.gauss(0, job.spread))
    slow = chance.uniform(1.8, 3.0) if chance.random() < SLOW_SHARE else 1.0
    return min(usual * slow, job.max_runtime * 0.9)


def step_at(job: Job, share: float) -> Progress:
    """How far a run of `job` says it is when `share` (0–1) of it is done."""
    total = len(job.steps)
    step = min(int(share * total) + 1, total)
    return Progress(percent=round(min(share, 0.99) * 100), step=step, total=total, name=job.steps[step - 1])


def success(job: Job, at: datetime, duration: float, chance: random.Random, *, output: bool = True) -> Ping:
    """The ping at the end of a run that went well. `duration` in seconds."""
    body = printed(job.output, at, duration) if output else b""
    metrics = {name: _near(usual, chance) for name, usual in job.metrics.items()}
    return Ping(
        Signal.SUCCESS, at, duration_ms=None if job.starts else round(duration * 1000), exit_code=0, metrics=metrics,
        body=body, body_size=len(body), method="POST", source="10.20.0.14", user_agent=AGENTS[job.starts],
    )  # fmt: skip


def printed(text: str, at: datetime, duration: float) -> bytes:
    """What a run of `duration` seconds printed that ended `at`: its moments, {time}, are spread over the run."""
    count = text.count("{time}")
    began = at - timedelta(seconds=duration)
    for number in range(count):
        moment = began + timedelta(seconds=duration) * number / count
        text = text.replace("{time}", f"{moment:%Y-%m-%dT%H:%M:%SZ}", 1)
    return text.encode()


def _near(usual: float, chance: random.Random) -> float:
    """About as much as usual; what is counted stays whole."""
    return round(usual * math.exp(chance.gauss(0, 0.08)), 0 if usual == int(usual) else 1)


def start(job: Job, at: datetime) -> Ping:
    """The ping at the start of a run."""
    return Ping(Signal.START, at, method="POST", source="10.20.0.14", user_agent=AGENTS[job.starts])


def log(progress: Progress, at: datetime) -> Ping:
    """The ping that tells how far a run is."""
    return Ping(Signal.LOG, at, progress=progress, method="POST", source="10.20.0.14", user_agent=AGENTS[True])


def _occurrences(job: Job, plan: Schedule, now: datetime, chance: random.Random) -> list[datetime]:
    if not isinstance(plan, Every):
        return schedule.expected_between(plan, now - LENGTH, now - timedelta(seconds=5))
    period = timedelta(seconds=plan.seconds)
    last = {
        Ending.RUNNING: now - RUNNING_FOR,
        Ending.LATE: now - period - LATE_BY,
        Ending.PAUSED: now - PAUSED_FOR - period / 3,
    }.get(job.ending, now - period * chance.uniform(0.2, 0.6))
    number = int((last - now + LENGTH) / period)
    return [last - n * period for n in range(number, -1, -1)]


def _until_the_end(job: Job, plan: Schedule, found: list[datetime], now: datetime) -> list[datetime]:
    if job.ending is not Ending.MISSED:
        return found
    silent_since = now - SILENT_FOR - timedelta(seconds=job.grace)
    before = [at for at in found if at <= silent_since]
    return before[:-1]


def _with_troubles(job: Job, found: Sequence[datetime], now: datetime) -> list[Planned]:
    wrong: dict[int, Trouble] = {}
    for trouble in job.troubles:
        at = now - timedelta(days=trouble.days)
        first = sum(moment < at for moment in found)
        if first + trouble.runs > len(found):
            first = len(found) - trouble.runs if trouble.days == 0 else len(found)
        wrong |= dict.fromkeys(range(max(first, 0), first + trouble.runs), trouble)
    return [Planned(at, wrong.get(index)) for index, at in enumerate(found)]


def _run(job: Job, one: Planned, now: datetime, chance: random.Random, *, hasty: bool = False) -> Iterator[Ping]:
    began = one.at + timedelta(seconds=chance.uniform(0.2, 2.5))
    took = HASTY_SECONDS if hasty else seconds(job, chance)
    if one.trouble and one.trouble.kind == "overrun":
        took = job.max_runtime * 1.4
    # Nothing has happened in the future: a run that began a moment ago was quick.
    ended = min(began + timedelta(seconds=took), now - timedelta(milliseconds=200))
    began = min(began, ended)
    if job.starts:
        yield start(job, began)
        for number in range(len(job.steps)):
            share = number / len(job.steps)
            yield log(step_at(job, share), began + (ended - began) * share)
    if one.trouble and one.trouble.kind == "failed":
        yield _failure(job, one.trouble, ended, (ended - began).total_seconds())
    else:
        kept = bool(job.output) and now - ended < OUTPUTS_KEPT
        yield success(job, ended, (ended - began).total_seconds(), chance, output=kept)


def _still_running(job: Job, one: Planned, now: datetime) -> Iterator[Ping]:
    yield start(job, one.at)
    done = (now - one.at).total_seconds() / job.seconds
    for number in range(len(job.steps)):
        share = number / len(job.steps)
        if share <= done:
            yield log(step_at(job, share), one.at + timedelta(seconds=share * job.seconds))


def _failure(job: Job, trouble: Trouble, at: datetime, duration: float) -> Ping:
    body = printed(trouble.output, at, duration)
    return Ping(
        Signal.FAIL, at, duration_ms=None if job.starts else round(duration * 1000), exit_code=trouble.exit_code,
        body=body, body_size=len(body), method="POST", source="10.20.0.14", user_agent=AGENTS[job.starts],
    )  # fmt: skip
