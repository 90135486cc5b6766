"""`tokiflow up`: everything on one machine, with one command.

The parent starts the databases, brings the tables to this version and then looks after web and worker, which has the
clock in it. It holds no data and no connection itself: killing it loses nothing, and its children go with it.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

import click

from tokiflow import settings
from tokiflow.errors import TokiflowError
from tokiflow.local import folder as folders
from tokiflow.local import ports, processes
from tokiflow.local.console import Console
from tokiflow.local.folder import DataFolder
from tokiflow.local.postgres import NOISE as POSTGRES_NOISE
from tokiflow.local.postgres import Postgres
from tokiflow.local.supervisor import Child, Supervisor
from tokiflow.local.valkey import NOISE as VALKEY_NOISE
from tokiflow.local.valkey import Valkey

ROOT = Path(__file__).parents[2]
APP_PROCESSES = ("web", "worker", "demo")
HEALTHY_SECONDS = 30.0
GRACEFUL_SECONDS = 3
FRUGAL = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc would keep a heap for each of many threads, and give next to nothing back: 15 MB in all of our processes."""


@click.command()
@click.option("--port", envvar="PORT", show_envvar=True, default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--data",
    envvar="TOKIFLOW_DATA",
    show_envvar=True,
    metavar="DIR",
    help=f"Data folder. [default: {folders.default()}]",
)
@click.option("--demo", is_flag=True, help="Fill an organization with a month of believable history.")
def up(port: int, host: str, data: str | None, demo: bool) -> None:
    """Start everything: databases, web pages, worker and clock. Ctrl-C stops it."""
    folder = DataFolder(Path(data) if data else folders.default())
    Instance(folder, host, port, Console(sys.stdout)).live(demo=demo)


class Stopping(BaseException):
    """Somebody asked us to stop while we were still starting."""


class Instance:
    """One running Tokiflow: its folder, its settings, its processes."""

    def __init__(self, folder: DataFolder, host: str, port: int, console: Console) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self.console = console
        self.supervisor = Supervisor(console)
        self.stop_requests = 0
        self.starting = True
        self.variables: dict[str, str] = {}

    def live(self, *, demo: bool) -> None:
        """Start, run until somebody asks to stop, stop. Raises TokiflowError when it can't start."""
        self.folder.make()
        self.folder.lock()  # before this line nothing here is ours, and nothing may be cleaned up
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                signal.signal(number, self._on_signal)
        try:
            self._end_orphans()
            self._start(demo=demo)
            self.starting = False
            self.supervisor.run(until=lambda: self.stop_requests > 0)
        except Stopping:
            pass
        finally:
            self.starting = False
            self._stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_requests += 1
        if self.starting:
            self.starting = False
            raise Stopping

    # --- start ------------------------------------------------------------------------------------------------

    def _end_orphans(self) -> None:
        was_web = (self.folder.run / "web.pid").exists()
        for name in APP_PROCESSES:
            processes.end_orphan(self.folder.run / f"{name}.pid", signal.SIGTERM, GRACEFUL_SECONDS + 2)
        self._require_port(patience=3.0 if was_web else 0.0)
        self.folder.sign(self._address())

    def _require_port(self, patience: float) -> None:
        """Raises TokiflowError when the port is taken; after a crash the last of our own may need a moment to go."""
        until = time.monotonic() + patience
        while True:
            try:
                return ports.require(self.host, self.port)
            except TokiflowError:
                if time.monotonic() >= until:
                    raise
            time.sleep(processes.POLL_SECONDS)

    def _start(self, *, demo: bool) -> None:
        sockets = self.folder.sockets()
        postgres = None if _given("DATABASE_URL") else Postgres(self.folder, sockets)
        valkey = None if _given("REDIS_URL") else Valkey(self.folder, sockets)
        self.variables = self.variables_for(postgres, valkey)
        config = self._check_settings()
        if postgres:
            self._start_postgres(postgres)
        if valkey:
            self._start_valkey(valkey)
        with self.console.step("Bringing the tables to this version"):
            self._run_to_end("db", "migrate")
        self.folder.describe_instance(self.variables)
        if demo:
            with self.console.step("Filling an organization with a month of history"):
                self._run_to_end("demo")
        self._start_app(config, demo=demo)
        threading.Thread(target=self._announce, name="announce", daemon=True).start()

    def variables_for(self, postgres: Postgres | None, valkey: Valkey | None) -> dict[str, str]:
        """What the processes of this instance need to know, beside what our own environment says."""
        environment = os.environ.get("TOKIFLOW_ENV") or "development"
        values = {
            "TOKIFLOW_ENV": environment,
            "TOKIFLOW_DATA": str(self.folder.path),
            "PORT": str(self.port),
            "TOKIFLOW_LOCAL_SIGN_IN": "1" if environment == "development" and self._may_sign_in() else "0",
        }
        if not _given("PUBLIC_URL"):
            values["PUBLIC_URL"] = self._address()
        if not _given("SECRET_KEY"):
            values["SECRET_KEY"] = self.folder.secret_key()
        if postgres:
            values["DATABASE_URL"] = postgres.url()
        if valkey:
            values["REDIS_URL"] = valkey.url()
        return {**_chosen_by_operator(), **values}

    def _may_sign_in(self) -> bool:
        """Only who sits at this machine is signed in without being asked who they are."""
        return is_loopback(self.host) and os.environ.get("TOKIFLOW_LOCAL_SIGN_IN", "1").lower() not in (
            "0",
            "false",
            "no",
        )

    def _check_settings(self) -> settings.Settings:
        try:
            return settings.load({**os.environ, **self.variables})
        except settings.SettingsError as error:
            raise TokiflowError(str(error)) from None

    def _start_postgres(self, postgres: Postgres) -> None:
        if postgres.is_new:
            with self.console.step("Making a database (first time only)"):
                postgres.prepare()
        else:
            postgres.prepare()
        with self.console.step("Starting PostgreSQL"):
            child = Child(
                "postgres", postgres.start, postgres.note, postgres.stop_signal, 15, precious=True, noise=POSTGRES_NOISE
            )
            postgres.wait(self.supervisor.add(child))

    def _start_valkey(self, valkey: Valkey) -> None:
        valkey.prepare()
        child = Child("valkey", valkey.start, valkey.note, valkey.stop_signal, precious=True, noise=VALKEY_NOISE)
        with self.console.step("Starting Valkey"):
            try:
                valkey.wait(self.supervisor.add(child))
            except TokiflowError:
                self.console.say(f"Valkey can't read its file; it starts anew, the old one is in {valkey.put_aside()}")
                valkey.wait(self.supervisor.restart(child))

    def _start_app(self, config: settings.Settings, *, demo: bool) -> None:
        # The clock is a thread of the worker, for the sake of memory (docs/decisions/012-small-processes.md).
        commands = {"worker": _tokiflow("worker", "--clock"), "web": self._gunicorn(config)}
        if demo:
            commands["demo"] = _tokiflow("demo", "--keep-alive")
        for name, command in commands.items():
            self.supervisor.add(self._child(name, command))

    def _child(self, name: str, command: list[str]) -> Child:
        spec = processes.Spec(name, command, self._environment())
        return Child(
            name, lambda: processes.start(spec), self.folder.run / f"{name}.pid", patience=GRACEFUL_SECONDS + 2
        )

    def _gunicorn(self, config: settings.Settings) -> list[str]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        command = [sys.executable, "-P", "-m", "gunicorn", "asgi:application", "--chdir", str(ROOT)]
        command += ["--bind", f"{host}:{self.port}", "--worker-class", "asgi", "--http-parser", "python"]
        command += ["--workers", str(config.web_concurrency), "--no-control-socket"]
        command += ["--graceful-timeout", str(GRACEFUL_SECONDS), "--log-level", "warning"]
        command += ["--logger-class", "tokiflow.observability.gunicorn.Logger"]
        return command

    def _environment(self) -> dict[str, str]:
        return {**FRUGAL, **os.environ, **self.variables, "PYTHONUNBUFFERED": "1"}

    def _run_to_end(self, *arguments: str) -> None:
        """Run one of our own commands; its lines are printed. Raises TokiflowError when it fails."""
        spec = processes.Spec(arguments[0], _tokiflow(*arguments), self._environment())
        process = processes.start(spec)
        try:
            output, _ = process.communicate()
        finally:
            processes.kill_group(process)
        if process.returncode != 0:
            said = output.decode(errors="replace").strip()
            raise TokiflowError(f"`tokiflow {' '.join(arguments)}` failed:\n{said}")

    def _announce(self) -> None:
        """Print the address once the pages answer, and everything is well if that does not take too long."""
        until = time.monotonic() + HEALTHY_SECONDS
        while self.stop_requests == 0:
            answer = self._health()
            if answer == 200 or (answer is not None and time.monotonic() > until):
                self.supervisor.settled = True
                self.console.say(
                    f"Tokiflow is ready at {self._address()} (data in {self.folder.path}; Ctrl-C stops it)"
                )
                return
            time.sleep(0.1)

    def _health(self) -> int | None:
        """The status that /api/health answers with; None if it does not answer."""
        try:
            with urllib.request.urlopen(f"{self._address()}/api/health", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def _address(self) -> str:
        """Where somebody on this machine finds the pages."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    # --- stop -------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self.supervisor.children:
            self.console.say("Stopping")
        self.folder.forget_instance()
        asked = self.stop_requests
        self.supervisor.stop(hurry=lambda: self.stop_requests > max(1, asked))
        self.console.drain()
        self.folder.remove_sockets()
        self.folder.unlock()


def is_loopback(host: str) -> bool:
    """Whether `host` can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _chosen_by_operator() -> dict[str, str]:
    """Settings out of our own environment, so that other commands see the same instance as its processes."""
    names = [name for setting in settings.variables() for name in (setting, f"{setting}_FILE")]
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _tokiflow(*arguments: str) -> list[str]:
    # -P: the folder we happen to be in must not lend its modules to us.
    return [sys.executable, "-P", "-m", "tokiflow.cli", *arguments]
