"""The data folder: what is where in it, who may see it, and that only one Tokiflow works in it.

lock          held while `tokiflow up` runs; says by whom and where
secret_key    made once, kept
instance.env  how other commands reach the running instance; gone when it stops
run/          pid notes and, when the path is short enough, the servers' sockets
postgres/     the database cluster
valkey/       Valkey's append-only file
programs/     a copy of PostgreSQL, only where its account can't read the installed one
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tokiflow.errors import TokiflowError
from tokiflow.local.account import Account, can_enter, for_servers

SOCKET_PATH_LIMIT = 103  # bytes: 107 on Linux, 103 on macOS
LONGEST_SOCKET_NAME = len("/postgres/.s.PGSQL.5432.lock")


class AlreadyRunning(TokiflowError):
    """Another `tokiflow up` works in this data folder. `pid` and `url` say which."""

    def __init__(self, path: Path, pid: int | None, url: str | None) -> None:
        where = f" at {url}" if url else ""
        who = f" (process {pid})" if pid else ""
        super().__init__(
            f"Tokiflow already runs on this data{where}{who}. "
            f"Use that one, stop it, or choose other data with --data (this is {path})"
        )
        self.pid = pid
        self.url = url


def default() -> Path:
    """Where the data is when nobody says: /var/lib/tokiflow for root, below the home folder for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/tokiflow")
    home = os.environ.get("XDG_DATA_HOME", "").strip()
    return (Path(home) if home else Path.home() / ".local" / "share") / "tokiflow"


class DataFolder:
    """One data folder, by its absolute path."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.run = self.path / "run"
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.programs = self.path / "programs"
        self.instance = self.path / "instance.env"
        self._lock_file = self.path / "lock"
        self._lock: int | None = None

    def make(self) -> None:
        """Make what is missing. A folder that exists keeps its rights: it may be somebody's mounted volume."""
        try:
            if not self.path.is_dir():
                self.path.mkdir(parents=True)
                # Root's database runs as `nobody`, who has to get through to its own part of it.
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.run.mkdir(exist_ok=True)
            self.run.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.valkey.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise TokiflowError(
                f"Can't keep data in {self.path} ({error.strerror}); choose another folder with --data"
            ) from None

    def lock(self) -> None:
        """Hold the folder until this process ends. Raises AlreadyRunning."""
        handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise AlreadyRunning(self.path, *self.holder()) from None
        self._lock = handle  # not inherited by children, so that it goes when we go
        self.sign(None)

    def sign(self, url: str | None) -> None:
        """Write into the held lock who holds it, and where its pages are."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)

    def unlock(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def holder(self) -> tuple[int | None, str | None]:
        """(pid, URL) of the instance that holds the lock, as far as it has written them down."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            note = json.loads(self._lock_file.read_text())
            return note.get("pid"), note.get("url")
        return None, None

    def is_running(self) -> bool:
        """Whether an instance works in this folder right now."""
        try:
            handle = os.open(self._lock_file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def secret_key(self) -> str:
        """The key that signs sessions and links; made the first time."""
        path = self.path / "secret_key"
        with contextlib.suppress(OSError):
            if key := path.read_text().strip():
                return key
        key = secrets.token_urlsafe(48)
        write_private(path, key + "\n")
        return key

    def describe_instance(self, variables: Mapping[str, str]) -> None:
        """Leave the settings of the running instance for other commands, readable by its owner alone."""
        lines = "".join(f"{name}={value}\n" for name, value in variables.items())
        write_private(self.instance, lines)

    def forget_instance(self) -> None:
        """Take back what `describe_instance` wrote."""
        self.instance.unlink(missing_ok=True)

    def sockets(self) -> Path:
        """A folder for unix sockets: run/ when its path is short and open enough, else a new one in /tmp.

        A socket's path may not exceed 107 bytes, and the servers' account must be able to walk to it.
        """
        self.remove_sockets()
        account = for_servers()
        if len(os.fsencode(self.run)) + LONGEST_SOCKET_NAME <= SOCKET_PATH_LIMIT and _can_pass(self.run, account):
            return self.run
        place = Path(tempfile.mkdtemp(prefix="tokiflow-", dir="/tmp"))
        place.chmod(0o711 if account else 0o700)
        (self.run / "sockets").write_text(str(place))
        return place

    def remove_sockets(self) -> None:
        """Remove the folder in /tmp, if there is one."""
        _remove_old_sockets(self.run / "sockets")


def _can_pass(folder: Path, account: Account | None) -> bool:
    """Whether `account` gets through `folder`. Asked of a readable folder inside it, as ours can't be listed."""
    if account is None:
        return True
    probe = Path(tempfile.mkdtemp(dir=folder))
    try:
        probe.chmod(0o755)
        return can_enter(probe, account)
    finally:
        probe.rmdir()


def _remove_old_sockets(note: Path) -> None:
    with contextlib.suppress(OSError):
        place = Path(note.read_text())
        # Only what mkdtemp made for us, and only if it is still ours: /tmp belongs to everyone.
        made_by_us = place.parent == Path("/tmp") and place.name.startswith("tokiflow-") and not place.is_symlink()
        if made_by_us and place.stat().st_uid == os.geteuid():
            shutil.rmtree(place, ignore_errors=True)
        note.unlink()


def write_private(path: Path, text: str) -> None:
    """Write `text` whole or not at all, readable by its owner alone."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp makes it 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
