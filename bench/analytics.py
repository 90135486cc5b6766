"""What it costs to draw a year of a job that runs each minute: half a million runs.

    python -m bench.analytics                      365 days, and 20 hourly jobs beside it
    python -m bench.analytics --days 90 --looks 20  a short one

The runs are written by one statement, the roll-ups are made by the very code that the worker calls. Then what a
monitor's page needs is read again and again in a process of its own, in turns with the least page there is (`trivial`,
the address of that monitor in the API), so that the ratio of both says what a busy machine can't blur. CPU is that of
this process, without PostgreSQL's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Flask

from bench import circumstances, table
from bench import town as towns
from bench.town import Connection, Town, count
from tokiflow import settings
from tokiflow.app import create_app
from tokiflow.core import ids
from tokiflow.db import db
from tokiflow.models import Monitor
from tokiflow.queries import analytics
from tokiflow.services import partitions, rollups

OTHERS = 20
TRIVIAL = "trivial"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--looks", type=int, default=30, help="how often each thing is read")
    chosen = parser.parse_args(arguments)
    with towns.made() as town, town.open() as connection:
        print(f"{circumstances.told(town, connection)}\n", flush=True)
        app = create_app(settings.load(town.environment))
        with app.app_context():
            now = datetime.now(UTC)
            minutely = _fill(connection, now, chosen.days)
            print(f"{table.markdown(['making', 'takes'], list(_making(connection, now)))}\n", flush=True)
        towns.settle(connection)
        print(table.markdown(["what is read", "median ms", "× trivial", "CPU ms", "× trivial"], _reading(
            app, town, minutely, [*_others(connection)], chosen.looks
        )))  # fmt: skip


def _fill(connection: Connection, now: datetime, days: int) -> UUID:
    """A job that ran each minute and some that ran each hour, up to now; the first one's id."""
    partitions.ensure(now, days_back=days)
    towns.fill(connection, 1 + OTHERS)
    connection.execute("update monitors set created_at = now() - make_interval(days => %s)", [days])
    connection.execute("update monitors set schedule_seconds = 60 where name = 'job 1'")
    connection.execute("set session_replication_role = replica")
    connection.execute(
        """
        insert into runs (id, monitor_id, at, started_at, finished_at, duration_ms, outcome, findings)
        select uuidv7(at - now()), id, at, at, at + interval '1 s' * (ms / 1000), ms,
            case when chance < 0.995 then 'success' when chance < 0.999 then 'failed' else 'missed' end,
            case when ms > 60000 then '[{"measure": "run_time"}]'::jsonb end
        from monitors
        cross join lateral generate_series(now() - make_interval(days => %s), now(),
            make_interval(secs => schedule_seconds)) at
        cross join lateral (
            select random() as chance, (8000 * exp(0.4 * random_normal(0, 1)))::bigint as ms where at is not null
        ) drawn
        """,
        [days],
    )
    connection.execute("reset session_replication_role")
    connection.execute(
        """
        insert into incidents (id, organization_id, monitor_id, class, kind, status, opened_at, last_opened_at,
            resolved_at)
        select uuidv7(), organization_id, id, 'outage', 'failed', 'resolved', at, at, at + interval '7 min'
        from monitors,
            generate_series(now() - make_interval(days => %s), now() - interval '1 day', interval '2 days') at
        """,
        [days],
    )
    towns.settle(connection)
    row = connection.execute("select id from monitors where name = 'job 1'").fetchone()
    assert row is not None
    return UUID(str(row[0]))


def _others(connection: Connection) -> list[UUID]:
    return [row[0] for row in connection.execute("select id from monitors where name <> 'job 1'")]


def _making(connection: Connection, now: datetime) -> list[list[str]]:
    """What the roll-ups cost to make: all of them at first, those of an hour, and all of them again."""
    runs = count(connection, "select count(*) from runs")
    everything = _seconds(lambda: _roll_up(now))
    longest = _longest_step(now + timedelta(minutes=65))
    rows = count(connection, "select count(*) from rollups")
    return [
        [f"all of {runs:,} runs, at first: {rows:,} roll-ups", f"{everything:,.1f} s"],
        ["an hour later, the slowest step", f"{1000 * longest:,.0f} ms"],
        ["when there is nothing to do", f"{1000 * _seconds(lambda: _roll_up(now + timedelta(minutes=65))):,.1f} ms"],
    ]


def _roll_up(now: datetime) -> None:
    while not rollups.roll_up(now):
        pass


def _longest_step(now: datetime) -> float:
    longest, done = 0.0, False
    while not done:
        began = time.perf_counter()
        done = rollups.roll_up(now, seconds=0)
        longest = max(longest, time.perf_counter() - began)
    return longest


def _reading(app: Flask, town: Town, minutely: UUID, others: Sequence[UUID], looks: int) -> list[list[str]]:
    """Each thing read `looks` times, in turns with all others; the first times, which find nothing prepared, don't
    count."""
    key = town.tokiflow("api-key", "create", "--name", "bench", "--scopes", "read", "--org", towns.SLUG)
    things = _things(app, minutely, others, {"Authorization": f"Bearer {key}"})
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in things}
    for n in range(looks + 5):
        for name, read in things.items():
            cpu = time.process_time()
            took = _seconds(read)
            if n >= 5:
                times[name].append((took, time.process_time() - cpu))
    found = {name: [statistics.median(one) for one in zip(*some, strict=True)] for name, some in times.items()}
    return [
        [name, *(cell for one, least in zip(some, found[TRIVIAL], strict=True) for cell in _told(one, least))]
        for name, some in found.items()
    ]


def _told(seconds: float, least: float) -> tuple[str, str]:
    return f"{1000 * seconds:,.1f}", f"{seconds / least:.1f}"


def _things(
    app: Flask, minutely: UUID, others: Sequence[UUID], key: Mapping[str, str]
) -> dict[str, Callable[[], object]]:
    address = f"/api/v1/monitors/{ids.public('mon', minutely)}"
    client = app.test_client()

    def get(path: str) -> None:
        answer = client.get(path, headers=dict(key))
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")

    def picture(period: analytics.Period) -> None:
        with app.app_context():
            monitor = db.session.get(Monitor, minutely)
            assert monitor is not None
            analytics.picture(monitor, period, datetime.now(UTC))

    def figures(of: Sequence[UUID]) -> None:
        with app.app_context():
            now = datetime.now(UTC)
            analytics.figures(of, now - timedelta(days=30), now)

    pictures = {
        f"picture of the minutely job, {period.words}": lambda period=period: picture(period)
        for period in analytics.PERIODS.values()
    }
    return {
        TRIVIAL: lambda: get(address),
        **pictures,
        "figures in the API, a year": lambda: get(f"{address}/stats?period=1y"),
        f"figures of {len(others)} hourly jobs, 30 days": lambda: figures(others),
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
