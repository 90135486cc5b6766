"""How many pings a second Tokiflow takes, each on disk before it is answered, beside what a bare Flask "hello" gives.

    python -m bench.pings                          all of it: four minutes, and two more with an intake process
    python -m bench.pings --seconds 3 --rounds 1   a short one
    python -m bench.pings --fsync-ms 2             the same on a disk whose fsync takes 2 ms (bench/slow_disk.py)

Everything is real: PostgreSQL with fsync, the processes of the Procfile with its flags, wrk in front of them. On a
shared machine seconds mean little; so "hello" and every door take turns within each round, and a ratio compares what
was measured in the same round. Every figure is the median of the rounds.

A 200 means *on disk*. wrk counts the 200s; what it dropped at the end of a round may be stored in addition, at most one
ping a connection. The bench fails when a ping was acknowledged and is not stored, or is stored twice.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench import circumstances, doors, kernel, load, pages, slow_disk, table
from bench import town as towns
from bench.doors import Sample, Street
from bench.load import Load, Report

LOADS = [Load(connections, kept) for connections in (32, 128) for kept in (True, False)]
BODIES = (0, 1024)
MOST_MEMORY_MB = 250

Greetings = dict[tuple[str, Load], list[Report]]
Samples = dict[tuple[str, Load], list[Sample]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the tables; fails when a ping was lost or invented."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--monitors", type=int, default=1_000, help="that the pings are spread over")
    parser.add_argument("--fsync-ms", type=float, help="the least that an fsync of PostgreSQL takes")
    chosen = parser.parse_args(arguments)
    load.require_wrk()
    if chosen.fsync_ms and not slow_disk.is_possible():
        print("Skipped: a slow disk needs a C compiler called cc, and there is none.")
        return
    with towns.made(chosen.fsync_ms) as town, town.open() as connection:
        towns.fill(connection, chosen.monitors)
        with doors.opened(town, connection, everything=True) as street:
            street.choose_monitors(chosen.monitors)
            street.warm_up()
            _say(f"{chosen.monitors:,} monitors. {circumstances.told(town, connection)}")
            greetings, samples = measure(street, chosen.seconds, chosen.rounds)
            _say(speed(greetings, samples))
            _say(pages.beside_load(town, street))
            _say(memory(street))
    everything = [sample for rounds in samples.values() for sample in rounds]
    acknowledged = sum(sample.report.acknowledged for sample in everything)
    lost, invented = sum(sample.lost for sample in everything), sum(sample.invented for sample in everything)
    print(
        f"Of {acknowledged:,} acknowledged pings {lost:,} are not stored; {invented:,} are stored that were never sent."
    )
    sys.exit(1 if lost or invented else 0)


def _say(text: str) -> None:
    print(f"{text}\n", flush=True)


# --- speed --------------------------------------------------------------------------------------------------------


def measure(street: Street, seconds: int, rounds: int) -> tuple[Greetings, Samples]:
    """What "hello" gave, by load, and what the doors gave, by name and load; one of each for every round."""
    greetings: Greetings = {}
    samples: Samples = {}
    for _ in range(rounds):
        for how in LOADS:
            hello, plain = (street.greet(one, how, seconds) for one in (street.hello, street.plain))
            greetings.setdefault(("hello", how), []).append(hello)
            greetings.setdefault(("hello on gthread", how), []).append(plain)
            for door, size in itertools.product(street.doors, BODIES):
                ping = replace(how, body_bytes=size)
                samples.setdefault((door.name, ping), []).append(street.knock(door, ping, seconds, hello, plain))
    return greetings, samples


def speed(greetings: Greetings, samples: Samples) -> str:
    """The table of all loads, those of a door together."""
    rows = [
        [name, str(how), *doors.figures(reports, *_beside(greetings, how, reports)), "", ""]
        for (name, how), reports in sorted(greetings.items(), key=lambda one: one[0][0])
    ]
    for (door, how), rounds in sorted(samples.items(), key=lambda one: one[0][0], reverse=True):
        acknowledged = sum(sample.report.acknowledged for sample in rounds)
        stored = sum(min(sample.kept, sample.counted) for sample in rounds)
        rows.append([door, str(how), *doors.figures_of(rounds), f"{acknowledged:,}", f"{stored:,}"])
    return table.markdown(["door", "load, connections", *doors.HEAD, "acknowledged", "stored"], rows, words=2)


def _beside(greetings: Greetings, how: Load, reports: Sequence[Report]) -> list[float]:
    """How these compare with the two yardsticks under the same load."""
    middle = statistics.median(report.a_second for report in reports)
    yardsticks = (greetings["hello", how], greetings["hello on gthread", how])
    return [middle / statistics.median(report.a_second for report in one) for one in yardsticks]


# --- memory -------------------------------------------------------------------------------------------------------


def memory(street: Street) -> str:
    """A table: what each process holds after the load, with all below it. The database is not among them."""
    held = {one.name: kernel.memory_mb(one.process.pid) for one in (*street.doors, *street.others)}
    rows = [[name, f"{megabytes:.0f} MB"] for name, megabytes in held.items()]
    total = sum(megabytes for name, megabytes in held.items() if name != "intake")
    judged = "below" if total < MOST_MEMORY_MB else "NOT below"
    rows.append([f"all but the optional intake, {judged} the {MOST_MEMORY_MB} MB they may take", f"{total:.0f} MB"])
    return table.markdown(["memory (PSS) after the load", "held"], rows)


if __name__ == "__main__":
    main()
