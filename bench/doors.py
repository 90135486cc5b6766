"""The doors that pings come through, and the yardstick beside them."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench import load
from bench import town as towns
from bench.load import Load, Report
from bench.town import Connection, Running, Town, count

NAMES = ("web", "intake")
"""Processes of the Procfile that take pings, where it has them."""

APP = "asgi:application"
HELLO = "bench.hello:application"
"""Under the server and with the flags of `web`: what it costs there to do nothing in Flask."""

PLAIN = "gunicorn bench.hello:app --bind 127.0.0.1:$PORT --worker-class gthread --threads 16 --no-control-socket"
"""The same as Flask is usually served."""

REST_SECONDS = 0.4


@dataclass(frozen=True)
class Sample:
    """What one round of load at one door gave. `kept` and `counted` tell by how much the rows in `pings` and the
    monitors' ping counts grew; of `under_way` pings wrk did not wait for the answer at the end."""

    report: Report
    hello_a_second: float
    plain_a_second: float
    kept: int
    counted: int
    under_way: int

    @property
    def ratio(self) -> float:
        """Pings a second, as a part of what a bare "hello" gave in the same round."""
        return self.report.a_second / self.hello_a_second

    @property
    def plain_ratio(self) -> float:
        """The same beside a "hello" on gthread."""
        return self.report.a_second / self.plain_a_second

    @property
    def lost(self) -> int:
        """Acknowledged, and not in the database. Must be 0."""
        return max(0, self.report.acknowledged - min(self.kept, self.counted))

    @property
    def invented(self) -> int:
        """In the database, and not sent. Must be 0 as well."""
        sent = self.report.requests + self.report.broken + self.under_way
        return max(0, max(self.kept, self.counted) - sent)


HEAD = ["a second", "× hello", "× on gthread", "p50 ms", "p99 ms", "p99/p50", "errors"]


def figures(reports: Sequence[Report], ratio: float, plain_ratio: float | None = None) -> list[str]:
    """The cells under `HEAD`: the median of the rounds, and how many errors there were in all."""

    def middle(tell: Callable[[Report], float]) -> float:
        return statistics.median(tell(report) for report in reports)

    return [
        f"{middle(lambda report: report.a_second):,.0f}",
        f"{ratio:.2f}",
        "" if plain_ratio is None else f"{plain_ratio:.2f}",
        f"{middle(lambda report: report.p50_ms):,.1f}",
        f"{middle(lambda report: report.p99_ms):,.1f}",
        f"{middle(lambda report: report.p99_ms / report.p50_ms):.1f}",
        f"{sum(report.errors for report in reports):,}",
    ]


def figures_of(samples: Sequence[Sample]) -> list[str]:
    """The same of a door, its ratio that of the rounds."""
    return figures(
        [sample.report for sample in samples],
        statistics.median(sample.ratio for sample in samples),
        statistics.median(sample.plain_ratio for sample in samples),
    )


class Street:
    """The doors that are open, `others` that run beside them, and what is sent to them."""

    def __init__(
        self, town: Town, connection: Connection, hello: Running, plain: Running, running: list[Running]
    ) -> None:
        self.connection = connection
        self.doors = [one for one in running if one.name in NAMES]
        self.others = [one for one in running if one.name not in NAMES]
        self.hello = hello
        self.plain = plain
        self.pings = town.place / "pings"
        self.greetings = town.place / "greetings"
        self.greetings.write_text("/\n")

    def choose_monitors(self, number: int) -> None:
        """Send pings to `number` of all monitors, picked at random."""
        asked = "select token from monitors order by random() limit %s"
        tokens = [str(row[0]) for row in self.connection.execute(asked, [number])]
        random.shuffle(tokens)
        self.pings.write_text("".join(f"/ping/{token}\n" for token in tokens))

    def warm_up(self) -> None:
        """A second for each, so that nothing is measured that happens only once."""
        for hello in (self.hello, self.plain):
            load.run(Load(32), hello.url, self.greetings, 1)
        for door in self.doors:
            load.run(Load(32), door.url, self.pings, 1)

    def greet(self, hello: Running, how: Load, seconds: int) -> Report:
        """What a "hello" gives over the same connections; it has no use for a body."""
        return load.run(Load(how.connections, how.keep_alive), hello.url, self.greetings, seconds)

    def knock(self, door: Running, how: Load, seconds: int, hello: Report, plain: Report) -> Sample:
        """Load on one door, and what is in the database when it has come to rest."""
        before = self._stored()
        report = load.run(how, door.url, self.pings, seconds)
        kept, counted = (now - then for now, then in zip(self._at_rest(), before, strict=True))
        return Sample(report, hello.a_second, plain.a_second, kept, counted, how.connections)

    def _at_rest(self) -> tuple[int, int]:
        """Requests that wrk dropped at the end may still be written: look until nothing changes."""
        before, now = None, self._stored()
        while before != now:
            time.sleep(REST_SECONDS)
            before, now = now, self._stored()
        return now

    def _stored(self) -> tuple[int, int]:
        """Rows in `pings`, and the sum of what the monitors have counted."""
        kept = count(self.connection, "select count(*) from pings")
        return kept, count(self.connection, "select sum(ping_count) from monitors")


@contextmanager
def opened(town: Town, connection: Connection, *, everything: bool = False) -> Iterator[Street]:
    """All doors of the Procfile, and "hello" under the server and the flags of `web`.

    With `everything` the worker runs as well, which is the clock too, as `tokiflow up` has it.
    """
    lines = towns.procfile()
    if APP not in lines["web"]:
        raise RuntimeError(f"the Procfile's web process does not serve {APP}; say in bench/doors.py what it serves")
    chosen = {name: line for name, line in lines.items() if name in NAMES}
    if everything:
        chosen["worker and clock"] = f"{lines['worker']} --clock"
    with ExitStack() as stack:
        hello = stack.enter_context(town.run("hello", lines["web"].replace(APP, HELLO)))
        plain = stack.enter_context(town.run("hello on gthread", PLAIN))
        running = [stack.enter_context(town.run(name, line)) for name, line in chosen.items()]
        yield Street(town, connection, hello, plain, running)
