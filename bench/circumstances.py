"""Where the figures were taken: the machine, the disk and the database, in one line above the table."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench.town import Connection, Town

SYNCS = 50


def told(town: Town, connection: Connection) -> str:
    """What a reader must know to compare the figures with others."""
    version, fsync, synchronous = (
        str((connection.execute(f"show {name}").fetchone() or ["unknown"])[0])
        for name in ("server_version", "fsync", "synchronous_commit")
    )
    return (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before. "
        f"PostgreSQL {version.split()[0]}: fsync {fsync}, synchronous_commit {synchronous}.\n"
        f"A lone commit takes {_commit_ms(connection):.2f} ms; the disk needs {_sync_ms(town.place):.2f} ms to sync."
    )


def _commit_ms(connection: Connection) -> float:
    write = "select pg_logical_emit_message(true, 'bench', 'something to write')"
    return _median_ms(lambda: connection.execute(write))


def _sync_ms(place: Path) -> float:
    """What the disk itself takes: we are not slowed down as PostgreSQL may be. Written over, as WAL mostly is."""
    with (place / "sync").open("wb", buffering=0) as file:

        def write() -> None:
            os.pwrite(file.fileno(), bytes(8192), 0)
            os.fdatasync(file.fileno())

        return _median_ms(write)


def _median_ms(do: Callable[[], object]) -> float:
    times = []
    for _ in range(SYNCS):
        began = time.perf_counter()
        do()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
