"""Whether every ping that was answered is kept, once, whatever dies, hangs or is restarted meanwhile.

    python -m bench.chaos                        thirty blows to a whole Tokiflow under load, about four minutes
    python -m bench.chaos --rounds 8 --seed 9    fewer, and the same ones again
    python -m bench.chaos --no-intake            pings through the web process alone

`tokiflow up` and an intake process take pings from clients that behave like `curl --retry`: what was not answered with
200 is sent again, with the same run id, until it is. Every ping carries words of its own. When all has come to rest,
what the clients were told is held against what is in the database.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import clients, table
from bench import town as towns
from bench.clients import Crowd
from bench.tally import Tally, tally
from tokiflow.local import ports, processes

ROOT = Path(__file__).parents[1]
START_SECONDS = 90.0
REST_SECONDS = 90.0
"""So long it may take at most until all that waits is in the database, after the last blow."""


class Place:
    """A whole Tokiflow: `tokiflow up`, and perhaps an intake process, which is started again when it dies."""

    def __init__(self, folder: Path, *, intake: bool) -> None:
        self.folder = folder
        self.port, self.intake_port = ports.free(), ports.free()
        self.log = folder.with_suffix(".log")
        self.up = self._start("up", [sys.executable, "-P", "-m", "tokiflow.cli", "up", "--port", str(self.port)])
        self._wait_until(lambda: "Tokiflow is ready" in self.log.read_text(errors="replace"), START_SECONDS)
        self.intake: subprocess.Popen[bytes] | None = None
        if intake:
            self.tend()
        self.has_intake = intake

    def _start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            **self._settings(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "INTAKE_PORT": str(self.intake_port),
            "PYTHONPATH": str(ROOT),
            "TOKIFLOW_DATA": str(self.folder),
            "TOKIFLOW_PING_RATE": "unlimited",
            "TOKIFLOW_TRUSTED_PROXIES": "1",
            "PYTHONUNBUFFERED": "1",
            "LOG_LEVEL": "WARNING",
        }
        with self.log.open("ab") as log:
            return processes.start(processes.Spec(name, command, environment), output=log)

    def _settings(self) -> dict[str, str]:
        try:
            lines = (self.folder / "instance.env").read_text().splitlines()
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in lines)

    def _wait_until(self, true: Callable[[], object], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                raise TimeoutError(f"waited {seconds:.0f} s in vain; the end of what was said:\n{self.said()[-4000:]}")
            time.sleep(0.05)

    def said(self) -> str:
        """All that its processes have said."""
        return self.log.read_text(errors="replace")

    @property
    def doors(self) -> list[int]:
        """The ports that take pings."""
        return [self.port, self.intake_port] if self.has_intake else [self.port]

    def connect(self) -> towns.Connection:
        """A connection to its database that commits at once."""
        return psycopg.connect(self._settings()["DATABASE_URL"], autocommit=True, connect_timeout=5)

    def pid(self, name: str) -> int | None:
        """The process called `name`, if it lives now: postgres, valkey, web, worker."""
        return processes.recall(self.folder / "run" / f"{name}.pid")

    def tend(self) -> None:
        """Start the intake process again if it is gone, as systemd would."""
        if self.intake is None or processes.has_ended(self.intake):
            if self.intake:
                processes.kill_group(self.intake)  # workers that outlive their parent go on serving
            line = f"cd {shlex.quote(str(ROOT))} && exec {towns.procfile()['intake']}"
            self.intake = self._start("intake", ["/bin/sh", "-c", line])

    def spooled(self) -> int:
        """Bytes that wait in the spool."""
        return sum(file.stat().st_size for file in (self.folder / "spool").glob("*.spool"))

    def come_to_rest(self) -> None:
        """Return when all its processes live and nothing waits in the spool any more."""
        self._wait_until(lambda: all(map(self.pid, ("postgres", "valkey", "web", "worker"))), REST_SECONDS)
        self._wait_until(lambda: clients.ask(self.port, "/api/health") == "200", REST_SECONDS)
        self._wait_until(lambda: self.spooled() == 0, REST_SECONDS)

    def stop(self) -> None:
        for process in (self.intake, self.up):
            if process:
                processes.stop(process, signal.SIGTERM, 30)
                processes.kill_group(process)


def children(pid: int) -> list[int]:
    """The processes that `pid` has started itself."""
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextmanager
def standing(folder: Path, *, intake: bool) -> Iterator[Place]:
    """A place that stands, stopped at the end."""
    place = Place(folder, intake=intake)
    try:
        yield place
    finally:
        place.stop()


# --- the blows ----------------------------------------------------------------------------------------------------


Blow = Callable[[Place, random.Random], object]


def _kill(name: str) -> Blow:
    def blow(place: Place, chance: random.Random) -> None:
        _send(place.pid(name), signal.SIGKILL)

    return blow


def _kill_child(name: str) -> Blow:
    def blow(place: Place, chance: random.Random) -> None:
        if found := children(place.pid(name) or 0):
            _send(chance.choice(found), signal.SIGKILL)

    return blow


def _kill_intake(place: Place, chance: random.Random) -> None:
    if place.intake:
        _send(chance.choice([place.intake.pid, *children(place.intake.pid)]), signal.SIGKILL)


def _restart_gracefully(place: Place, chance: random.Random) -> None:
    _send(place.pid("web"), signal.SIGHUP)
    time.sleep(3)


def _end_sessions(place: Place, chance: random.Random) -> None:
    """Every connection is cut, several times, wherever it is: now and then just while it commits."""
    with suppress(psycopg.Error), place.connect() as connection:
        for _ in range(10):
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
            time.sleep(chance.uniform(0, 0.1))


def _lock_monitors(place: Place, chance: random.Random) -> None:
    """Somebody holds the rows for longer than a ping is to wait."""
    with suppress(psycopg.Error), place.connect() as connection, connection.transaction():
        connection.execute("select id from monitors for update")
        time.sleep(chance.uniform(6, 8))


def _hang(place: Place, chance: random.Random) -> None:
    """All of PostgreSQL stands still, and nobody hangs up."""
    postmaster = place.pid("postgres")
    stopped = [postmaster, *children(postmaster or 0)]
    for pid in stopped:
        _send(pid, signal.SIGSTOP)
    time.sleep(chance.uniform(3, 12))
    for pid in reversed(stopped):
        _send(pid, signal.SIGCONT)


def _send(pid: int | None, number: signal.Signals) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


BLOWS: dict[str, Blow] = {
    "kill -9 web": _kill("web"),
    "kill -9 gunicorn's worker": _kill_child("web"),
    "restart web gracefully": _restart_gracefully,
    "kill -9 PostgreSQL": _kill("postgres"),
    "kill -9 a backend": _kill_child("postgres"),
    "end all sessions": _end_sessions,
    "PostgreSQL hangs": _hang,
    "monitors locked": _lock_monitors,
    "kill -9 Valkey": _kill("valkey"),
    # Its one child; both are started again.
    "kill -9 the worker's clock": _kill_child("worker"),
    "kill -9 worker": _kill("worker"),
    "kill -9 intake": _kill_intake,
}


def deck(chance: random.Random, rounds: int, names: Sequence[str]) -> list[str]:
    """So many blows, each as often as any other, in an order that chance gives."""
    dealt: list[str] = []
    while len(dealt) < rounds:
        dealt += chance.sample(names, len(names))
    return dealt[:rounds]


# --- rounds -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """What the clients met with from one blow until the next: the longest time in seconds in which nobody was told 200,
    and how many answers there were, by what they were."""

    blow: str
    silence: float
    answers: dict[str, int]


def strike(place: Place, crowd: Crowd, chance: random.Random, blow: str, pause: float) -> Round:
    """One round: load for a moment, the blow, and until pings are answered again and `pause` seconds are over."""
    time.sleep(chance.uniform(0.2, 1.0))
    began = time.monotonic()
    BLOWS[blow](place, chance)
    struck = time.monotonic()
    until = struck + 60
    while time.monotonic() < until:
        if place.has_intake:
            place.tend()
        # At every door somebody was told 200 since.
        if time.monotonic() > struck + pause and all(crowd.answered_since(door, struck) for door in place.doors):
            break
        time.sleep(0.05)
    return Round(blow, *crowd.look_back(began, time.monotonic()))


def run(
    rounds: int, seed: int, seconds: float, *, intake: bool, monitors: int, size: int, blows: Sequence[str] = ()
) -> tuple[list[Round], Tally, str]:
    """Up to `rounds` blows within `seconds`, and what is in the database in the end; what the processes said."""
    chance = random.Random(seed)
    names = list(blows or (name for name in BLOWS if intake or name != "kill -9 intake"))
    folder = Path(tempfile.mkdtemp(prefix="tokiflow-chaos-"))
    folder.chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get through
    try:
        with standing(folder / "data", intake=intake) as place:
            with place.connect() as connection:
                towns.fill(connection, monitors)
                tokens = [str(row[0]) for row in connection.execute("select token from monitors order by id")]
            until = time.monotonic() + seconds
            done = []
            with clients.sending(place.doors, tokens, size, seed) as crowd:
                for blow in deck(chance, rounds, names):
                    if time.monotonic() > until:
                        break
                    done.append(strike(place, crowd, chance, blow, chance.uniform(0.5, 3.0)))
                    _say(f"{blow:<26} {done[-1].silence:5.1f} s without a 200; {_counts(done[-1].answers)}")
                struck = time.monotonic()
                place.come_to_rest()
                _say(f"At rest, and still under load, {time.monotonic() - struck:.1f} s after the last blow.")
            place.come_to_rest()
            with place.connect() as connection:
                return done, tally(connection, crowd), place.said()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _counts(answers: dict[str, int]) -> str:
    return ", ".join(f"{count} × {said}" for said, count in sorted(answers.items()))


def _say(text: str) -> None:
    print(text, flush=True)


# --- what is printed ----------------------------------------------------------------------------------------------


def report(done: Sequence[Round]) -> str:
    """A table: for each sort of blow how often it was dealt, and what the clients met with."""
    rows = []
    for blow in BLOWS:
        mine = [one for one in done if one.blow == blow]
        if mine:
            rows.append([blow, str(len(mine)), f"{max(one.silence for one in mine):.1f} s", *_met(mine)])
    return table.markdown(["blow", "rounds", "longest without a 200", "200", "503", "refused", "hung up"], rows)


def _met(rounds: Sequence[Round]) -> list[str]:
    def count(*kinds: str) -> str:
        return f"{sum(one.answers.get(kind, 0) for one in rounds for kind in kinds):,}"

    others = {kind for one in rounds for kind in one.answers} - {"200", "503", clients.REFUSED}
    return [count("200"), count("503"), count(clients.REFUSED), count(*others)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Strike and print what came of it; fails if a ping that was answered is lost, or any is there twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=900, help="no further round begins after so many")
    parser.add_argument("--monitors", type=int, default=200)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--no-intake", action="store_true", help="pings come through the web process alone")
    parser.add_argument("--only", action="append", choices=list(BLOWS), help="only this blow; may be repeated")
    parser.add_argument("--log", type=Path, help="where to put what the processes said")
    chosen = parser.parse_args(arguments)
    _say(f"Seed {chosen.seed}.")
    done, found, said = run(
        chosen.rounds,
        chosen.seed,
        chosen.seconds,
        intake=not chosen.no_intake,
        monitors=chosen.monitors,
        size=chosen.clients,
        blows=chosen.only or (),
    )
    if chosen.log:
        chosen.log.write_text(said)
    _say(f"\n{report(done)}\n\n{found}")
    sys.exit(0 if found.well else 1)


if __name__ == "__main__":
    main()
