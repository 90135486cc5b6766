"""Does a ping cost the same when there are many monitors, and a month of history?

    python -m bench.growth                                    1,000 to 1,000,000 monitors, then ten million old rows
    python -m bench.growth --monitors 1000 10000 --rows 0     a short one
    python -m bench.growth --rows 1000000                     less history

Monitors and history are filled in with a few statements; the doors are opened anew at each stage, and pings go to
monitors picked at random among all. As in bench.pings, "hello" takes turns with the doors, and ratios are of one round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence

from bench import circumstances, doors, history, load, pages, table
from bench import town as towns
from bench.doors import Sample, Street
from bench.load import Load
from bench.town import Connection, Town, count

STAGES = (1_000, 10_000, 100_000, 1_000_000)
MONITORS_EACH = 1_000
"""In one organization: it is the installation that grows, not one customer."""

LOAD = Load(32)
MOST_PINGED = 20_000
"""So many monitors, picked at random, get the pings of a stage: more than it has time to send."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table of stages, then what it costs to forget a day."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monitors", type=int, nargs="+", default=STAGES, metavar="N", help="one stage for each")
    parser.add_argument("--rows", type=int, default=10_000_000, help="old runs and pings at the last stage")
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    load.require_wrk()
    with towns.made() as town, town.open() as connection:
        _say(circumstances.told(town, connection))
        speed: list[list[str]] = []
        waits: list[list[str]] = []
        for stage in _stages(town, connection, chosen.monitors, chosen.rows):
            print(stage, file=sys.stderr, flush=True)
            with doors.opened(town, connection) as street:
                waits.append([stage, *_waits(town, street)])
                speed += [[stage, *cells] for cells in _speed(street, chosen.seconds, chosen.rounds)]
        _say(table.markdown(["stage", "door", *doors.HEAD, "lost"], speed, words=2))
        _say(table.markdown(["page, median", *pages.NAMES], waits))
        if chosen.rows:
            _say(table.markdown(["forgetting", "takes"], list(history.forget(connection))))


def _say(text: str) -> None:
    print(f"{text}\n", flush=True)


def _stages(town: Town, connection: Connection, monitors: Sequence[int], rows: int) -> Iterator[str]:
    """Fill the town a stage further each time; what the stage is called."""
    for number in sorted(monitors):
        towns.fill(connection, number, MONITORS_EACH)
        yield f"{number:,} monitors"
    if rows:
        history.fill(town, connection, rows)
        yield f"… with {count(connection, 'select count(*) from runs'):,} runs"


def _speed(street: Street, seconds: int, rounds: int) -> Iterator[list[str]]:
    """For each door: its name, the figures, and how many acknowledged pings are not in the database."""
    street.choose_monitors(MOST_PINGED)
    street.warm_up()
    samples: dict[str, list[Sample]] = {}
    for _ in range(rounds):
        hello = street.greet(street.hello, LOAD, seconds)
        plain = street.greet(street.plain, LOAD, seconds)
        for door in street.doors:
            samples.setdefault(door.name, []).append(street.knock(door, LOAD, seconds, hello, plain))
    for name, sampled in samples.items():
        yield [name, *doors.figures_of(sampled), str(sum(sample.lost for sample in sampled))]


def _waits(town: Town, street: Street) -> list[str]:
    """How long each page takes while nothing else happens."""
    return [f"{statistics.median(times):,.0f} ms" for times in pages.quiet(town, street)]


if __name__ == "__main__":
    main()
