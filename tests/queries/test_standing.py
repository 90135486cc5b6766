"""What the database sums up and chooses, against the rules of core.health and core.worsening."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from uuid import UUID

import pytest

from tests.factories import make_monitor, save
from tokiflow.core import health, ids, worsening
from tokiflow.core.health import Health
from tokiflow.core.worsening import What
from tokiflow.db import db, transaction
from tokiflow.models import Incident, Monitor, Organization, Rollup, RollupMark
from tokiflow.queries import downtime, incident_tallies, standing
from tokiflow.queries.standing import Standings, Stretch

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 20, 0, 0, 30, tzinfo=UTC)
TODAY = datetime(2026, 11, 20, tzinfo=UTC)
SINCE, BEFORE = TODAY - 6 * DAY, TODAY - 13 * DAY


@dataclass(frozen=True)
class Job:
    """What one monitor did in both times."""

    name: str
    before: Stretch
    lately: Stretch
    uptime: float | None = 1.0

    @property
    def health(self) -> Health | None:
        """By the rules of core.health."""
        one = self.lately
        success = one.succeeded / one.expected if one.expected else None
        return health.score(self.uptime, success, health.performance(one.timed, one.anomalies))

    @property
    def fell(self) -> float:
        """How much its success rate fell, as core.worsening weighs it; 0 for not at all."""
        was, now = (worsening.Stretch(one.expected, one.succeeded) for one in (self.before, self.lately))
        return next((one.weight for one in worsening.judge(was, now) if one.what is What.SUCCESS), 0.0)


def some(seed: int, count: int) -> Iterator[Job]:
    """Jobs near all edges: few runs and many, nothing timed, more anomalies than timed, no runs at all."""
    chance = random.Random(seed)

    def stretch() -> Stretch:
        expected = chance.choice([0, 4, 5, 10, 20, 40, 200, 1000])
        succeeded = chance.choice([expected, expected, round(expected * 0.95), chance.randint(0, expected)])
        timed = chance.choice([0, succeeded, succeeded, succeeded // 2])
        return Stretch(expected, succeeded, min(chance.choice([0, 0, 1, 2, 50]), max(1, expected)), timed)

    for n in range(count):
        yield Job(f"Job {n:03}", stretch(), stretch(), chance.choice([1.0, 1.0, 0.0, 0.5, 0.987, None]))


@pytest.fixture(autouse=True)
def _rolled_up(organization: Organization) -> None:
    for grain in ("day", "hour"):
        save(RollupMark(grain=grain, until=TODAY))


def made(organization: Organization, jobs: list[Job]) -> dict[UUID, Job]:
    """Their monitors, and a day of each time."""
    found = {}
    with transaction():
        for job in jobs:
            monitor = up(organization, job.name)
            found[monitor.id] = job
            for one, at in ((job.before, BEFORE), (job.lately, SINCE)):
                if one != Stretch():
                    failed = one.expected - one.succeeded
                    db.session.add(
                        Rollup(
                            monitor_id=monitor.id, grain="day", at=at, succeeded=one.succeeded, failed=failed // 3,
                            missed=failed - failed // 3 * 2, overran=failed // 3, anomalies=one.anomalies,
                            timed=one.timed, histogram={},
                        )
                    )  # fmt: skip
    return found


def up(organization: Organization, name: str) -> Monitor:
    return make_monitor(organization, name, status="up", last_ping_at=NOW, due_at=NOW + DAY, created_at=NOW - 90 * DAY)


def read(organization: Organization, jobs: dict[UUID, Job], known: tuple[UUID, ...] = ()) -> Standings:
    uptimes = {key: job.uptime for key, job in jobs.items() if job.uptime != 1.0}
    return standing.of_organization(organization.id, BEFORE, SINCE, NOW, uptimes=uptimes, known=known)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_are_those_of_core_health(organization: Organization, seed: int) -> None:
    jobs = made(organization, list(some(seed, 150)))
    found = read(organization, jobs)
    scored = [(one.health.score, one.name) for one in jobs.values() if one.health]
    assert found.sums.scores == Counter(score for score, _ in scored)
    assert [(one.health and one.health.score, one.name) for one in found.lowest] == sorted(scored)[: standing.LOWEST]
    assert [jobs[one.id].health for one in found.lowest] == [one.health for one in found.lowest]
    parts = list(zip(*(one.health.parts for one in jobs.values() if one.health), strict=True))
    means = [fmean(one.share for one in part if one.share is not None) for part in parts]
    assert [found.sums.uptime, found.sums.success, found.sums.performance] == pytest.approx(means)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_fails_more_is_decided_as_core_worsening_does(organization: Organization, seed: int) -> None:
    jobs = made(organization, list(some(seed, 150)))
    found = read(organization, jobs)
    fell = sorted((-one.fell, one.name) for one in jobs.values() if one.fell)
    assert found.failing_count == len(fell)
    assert [one.name for one in found.failing] == [name for _, name in fell][: standing.TOLD]
    assert all(one.fails_more == bool(jobs[one.id].fell) for one in (*found.slower, *found.unusual, *found.lowest))


@pytest.mark.parametrize(("succeeded", "told"), [(20, 0), (19, 0), (18, 1)])
def test_two_bad_runs_more_are_told_and_one_is_not(organization: Organization, succeeded: int, told: int) -> None:
    jobs = made(organization, [Job("One", Stretch(20, 20), Stretch(20, succeeded))])
    assert read(organization, jobs).failing_count == told


def test_who_is_told_anyway_is_only_counted_and_scored(organization: Organization) -> None:
    jobs = made(organization, [Job("One", Stretch(20, 20, 0, 20), Stretch(20, 10, 5, 10))])
    known = read(organization, jobs, known=tuple(jobs))
    assert (known.failing_count, known.failing, known.slower, known.unusual) == (0, [], [], [])
    assert [one.name for one in known.lowest] == ["One"]
    assert [one.name for one in read(organization, jobs).unusual] == ["One"]


def test_an_organization_without_monitors_has_nothing(organization: Organization) -> None:
    found = read(organization, {})
    assert not found.sums.pinged
    assert (found.sums.scores, found.lowest, found.late_count) == ({}, [], 0)


def outage(monitor: Monitor, at: datetime, length: timedelta | None, kind: str = "failed") -> None:
    ended = at + length if length else None
    save(
        Incident(
            id=ids.new(), organization_id=monitor.organization_id, monitor_id=monitor.id, class_="outage", kind=kind,
            status="resolved" if ended else "open", opened_at=at, last_opened_at=at, resolved_at=ended,
        )
    )  # fmt: skip


def test_up_times_are_of_those_that_were_down_meanwhile(organization: Organization) -> None:
    names = ("before", "into", "still", "never")
    before, into, still, _ = (up(organization, name) for name in names)
    outage(before, SINCE - DAY, timedelta(hours=1))
    outage(into, SINCE - DAY, 2 * DAY)
    outage(still, NOW - DAY, None)
    whole = (NOW - SINCE).total_seconds()
    found = downtime.uptimes(organization.id, SINCE, NOW)
    rest = {into.id: 1 - DAY.total_seconds() / whole, still.id: 1 - DAY.total_seconds() / whole}
    assert found == pytest.approx(rest)


def test_the_noisiest_are_five_with_three_incidents_or_more(organization: Organization) -> None:
    for n in range(7):
        monitor = up(organization, f"Job {n}")
        for hour in range(n):
            outage(monitor, NOW - timedelta(hours=hour + 2), timedelta(minutes=5 if hour % 2 else 30))
        outage(monitor, NOW - 40 * DAY, timedelta(minutes=5))
    found = incident_tallies.noisiest(organization.id, NOW - 30 * DAY, NOW)
    assert [(one.name, one.incidents, one.kinds) for one in found] == [
        (f"Job {n}", n, {"failed": (n, n // 2)}) for n in (6, 5, 4, 3)
    ]
