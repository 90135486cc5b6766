"""An embedded PostgreSQL: made on first use, durable, reachable by its owner alone.

It listens on a unix socket only. Who may connect is decided by the kernel (`peer`): the account that runs Tokiflow,
and root. That is stricter than trusting everyone who reaches the socket, and asks for no password that would have
to be kept somewhere. As root the server itself runs as `nobody`; another process of `nobody` can still not log in.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg
from psycopg import sql

from tokiflow.errors import TokiflowError
from tokiflow.local import account as accounts
from tokiflow.local import processes, programs
from tokiflow.local.folder import DataFolder

ROLE = "tokiflow"
DATABASE = "tokiflow"
START_SECONDS = 60.0
ORPHAN_SECONDS = 10.0
REMOVE_SECONDS = 5.0
"""So long whoever was killed may take to finish what it was writing."""

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Errors reach the app, which logs them with their request; here only what concerns the server itself.
    "log_min_messages": "fatal",
    "log_line_prefix": "",
    "logging_collector": "off",
}
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

NOISE = ("the database system is starting up", "terminating connection due to administrator command")
"""What it calls fatal and is part of every start and stop."""


class Postgres:
    """One cluster in `folder`. `durable=False` is for tests that throw it away.

    `prepare()` once, then `start()`; `start()` again after it died.
    """

    stop_signal = signal.SIGINT  # "fast": ends sessions, writes everything, leaves

    def __init__(self, folder: DataFolder, sockets: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.cluster = folder.postgres
        self.durable = durable
        self.account = accounts.for_servers()
        self.sockets = sockets / "postgres"
        self.note = folder.run / "postgres.pid"
        self._handle: int | None = None

    @property
    def is_new(self) -> bool:
        """Whether there is no database yet."""
        return not self.cluster.is_dir()

    def url(self, database: str = DATABASE) -> str:
        """How to reach `database`, in the form DATABASE_URL has."""
        return f"postgresql://{ROLE}@/{database}?host={quote(str(self.sockets), safe='/')}"

    def prepare(self) -> None:
        """End a server that a killed parent left, and make the cluster if there is none. Raises TokiflowError."""
        self.end_orphan()
        unfinished = self.cluster.with_name("postgres.unfinished")
        if unfinished.exists():  # killed while making it: nothing of value is in there yet
            _remove(unfinished)
        if self.is_new:
            unfinished.mkdir(mode=0o700)
            accounts.hand_over(unfinished, self.account)
            self._initdb(unfinished)
            unfinished.rename(self.cluster)
            _sync_folder(self.folder.path)

    def end_orphan(self) -> int | None:
        """End a server of ours that outlived its parent; its pid if there was one."""
        pid = processes.end_orphan(self.note, self.stop_signal, ORPHAN_SECONDS)
        self._correct_pid_file()
        return pid

    def start(self, output: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Start the server; what it says goes to `output`."""
        self._allow_owner()
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        accounts.hand_over(self.sockets, self.account)
        options = {**SETTINGS, **({} if self.durable else CARELESS), "unix_socket_directories": str(self.sockets)}
        program = self._install(_version(self.cluster)) / "bin" / "postgres"
        command = [str(program), "-D", self._reachable(self.cluster)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        process = processes.start(self._spec(command), output=output)
        processes.remember(process.pid, self.note)
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the server takes connections and has our database. Raises TokiflowError if it can't."""
        until = time.monotonic() + START_SECONDS
        while True:
            if process.poll() is not None:
                raise TokiflowError(f"PostgreSQL stopped while starting (exit code {process.returncode})")
            try:
                with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
                    create_database(connection, DATABASE)
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > until:
                    raise TokiflowError(f"PostgreSQL did not start within {START_SECONDS:.0f} s: {error}") from None
            time.sleep(processes.POLL_SECONDS)

    # --- the cluster's folder ---------------------------------------------------------------------------------

    def _initdb(self, cluster: Path) -> None:
        install = self._install(None)
        command = [str(install / "bin" / "initdb"), "-D", self._reachable(cluster), f"--username={ROLE}"]
        # The built-in locale sorts the same on every machine and survives upgrades of the C library.
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--auth=peer", "--no-instructions"] + ([] if self.durable else ["--no-sync"])
        process = processes.start(self._spec(command))
        # Killed in the middle, we leave it behind for a moment: the next start ends it before it begins anew.
        processes.remember(process.pid, self.note)
        try:
            output, _ = process.communicate()
        finally:
            processes.kill_group(process)
            self.note.unlink(missing_ok=True)
            self._close()
        if process.returncode != 0:
            said = output.decode(errors="replace").strip()
            raise TokiflowError(f"PostgreSQL could not make a database in {self.cluster}:\n{said}")

    def _allow_owner(self) -> None:
        """Write who may connect, each time: the folder may have moved to another account since."""
        names = dict.fromkeys(["root", accounts.own_name()])
        self._put("pg_hba.conf", "local all all peer map=owner\n")
        self._put("pg_ident.conf", "".join(f'owner "{name}" {ROLE}\n' for name in names))

    def _correct_pid_file(self) -> None:
        """After a crash, PostgreSQL takes whoever has the old server's number for that server, and won't start.

        In a container, where numbers are small and soon reused, that happens. The file can't just be removed: its
        other lines keep a new server from starting beside leftovers of the old one. So the stranger's number is
        replaced by ours, which PostgreSQL knows to be its parent's.
        """
        file = self.cluster / "postmaster.pid"
        try:
            number, rest = file.read_text().split("\n", 1)
            stranger = processes.name_of(int(number))
        except (OSError, ValueError):
            return
        if stranger is not None and "postgres" not in stranger:
            self._put(file.name, f"{os.getpid()}\n{rest}")

    def _put(self, name: str, text: str) -> None:
        """Write the file `name` of the cluster.

        Written aside and moved in: the folder belongs to the server's account, and a link put there under this
        name must not send root's pen elsewhere.
        """
        aside = self.cluster / f".{name}.{os.getpid()}"
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        accounts.hand_over(aside, self.account)
        aside.rename(self.cluster / name)

    def _install(self, major: int | None) -> Path:
        homes = [self.folder.programs]
        if self.account:  # below a closed folder even our own data can't be walked to
            homes.append(Path("/var/lib/tokiflow/programs"))
        return programs.readable(programs.postgres(major), self.account, homes)

    def _reachable(self, cluster: Path) -> str:
        """A name for `cluster` that the server's account can use.

        Data below a folder that is closed to others (root's home, a temporary folder) can't be walked to by
        `nobody`. We don't open other people's folders; the server inherits its own one as an open handle instead.
        """
        self._close()
        if accounts.can_enter(cluster, self.account):
            return str(cluster)
        if not Path("/proc/self/fd").is_dir():
            raise TokiflowError(
                f"As root, PostgreSQL runs as '{self.account.name if self.account else ''}', who can't get to "
                f"{cluster}; choose another folder with --data"
            )
        self._handle = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._handle}"

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _spec(self, command: list[str]) -> processes.Spec:
        return processes.Spec(
            name="postgres",
            command=command,
            environment=_environment(os.environ),
            stop_signal=self.stop_signal,
            account=self.account,
            keep_open=() if self._handle is None else (self._handle,),
        )


def create_database(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Create the database `name` unless it is there. `connection` is in autocommit mode."""
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if not found:
        with contextlib.suppress(psycopg.errors.DuplicateDatabase):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _version(cluster: Path) -> int:
    try:
        return int((cluster / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise TokiflowError(
            f"{cluster} is not a PostgreSQL database, or it is damaged; restore a backup or choose other data"
        ) from None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Only what a server needs: no PG… variables of the person, and none of their secrets."""
    kept = {name: environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    """Remove a folder into which somebody who was killed just now may still write a last file."""
    until = time.monotonic() + REMOVE_SECONDS
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(processes.POLL_SECONDS)
