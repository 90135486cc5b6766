"""Where pings wait while the database is away: files of this machine's disk, each line on disk before it is answered.

One file a process, held by a lock, so that whoever finds a file unlocked knows that its writer is gone, and takes over
(`SpoolFolder.orphans`). Each line is what one `append` was given, encrypted and authenticated (Fernet, with a key
derived from SECRET_KEY): output may hold secrets, and a line that was cut short by a crash is told from a whole one.
Such a line was never answered, so it counts for nothing.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from tokiflow.core import ids
from tokiflow.errors import TokiflowError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

log = structlog.get_logger()

LARGEST_FILE = 2 * 1024**3
"""Bytes in one file at most: a disk that is full harms more than pings."""

_ENDING = ".spool"
_UNFINISHED = ".new"
_UNREADABLE = ".unreadable"


class SpoolFull(TokiflowError):
    """The spool can't take more: the disk is full, away or not ours to write on."""


@dataclass(frozen=True)
class Line:
    """What one `append` was given (None if it can't be read), and where the next line begins, in bytes. `raw` is how it
    stands in the file."""

    content: bytes | None
    end: int
    raw: bytes


class SpoolFile:
    """One spool file, locked as long as it is open. `size` is how much of it is on disk for sure, in bytes; `whole` is
    False once a piece of a line stands behind that, and nothing may be appended any more."""

    def __init__(self, path: Path, descriptor: int, fernet: MultiFernet) -> None:
        self.id = UUID(path.name.removesuffix(_ENDING))
        self._path = path
        self._descriptor = descriptor
        self._fernet = fernet
        self.size = os.fstat(descriptor).st_size
        self.whole = True

    def append(self, content: bytes) -> None:
        """Returns when `content` is on disk. Raises SpoolFull; then nothing of it is."""
        line = self._fernet.encrypt(content) + b"\n"
        if self.size + len(line) > LARGEST_FILE:
            raise SpoolFull(f"The spool holds {self.size:,} bytes, which is all it may")
        try:
            _write_all(self._descriptor, line)
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._take_back()
            raise SpoolFull(f"The spool can't be written: {error.strerror}") from error
        self.size += len(line)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            self.whole = False

    def read(self, start: int) -> Line | None:
        """The line that begins at `start`; None at the end, and where a crash cut the last one short.

        Its content is None if it can't be read for another reason: it was written under another SECRET_KEY, say.
        """
        with self._path.open("rb") as file:
            file.seek(start)
            # Not beyond `size`: what is being appended may still be taken back.
            raw = file.readline(max(0, self.size - start))
        if not raw.endswith(b"\n"):
            return None
        return Line(self._decrypted(raw), start + len(raw), raw)

    def _decrypted(self, raw: bytes) -> bytes | None:
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(raw.rstrip(b"\n"))
        except InvalidToken:
            return None

    def remove(self) -> None:
        """All of it has been replayed."""
        self._path.unlink(missing_ok=True)
        _sync_folder(self._path.parent)
        self.close()

    def put_aside(self, line: Line) -> Path:
        """Keep a line that can't be read in a file beside this one; that file's path. Once it is given the ending of a
        spool file, under the key it was written with, it is replayed."""
        aside = self._path.with_suffix(_UNREADABLE)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, line.raw)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        return aside

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class SpoolFolder:
    """The spool files of one machine."""

    def __init__(self, path: Path, secret_keys: str | Sequence[str]) -> None:
        """`secret_keys`: one, or several with the newest first. The first writes, all of them read."""
        self.path = path
        self._secret_keys = (secret_keys,) if isinstance(secret_keys, str) else tuple(secret_keys)

    def new(self) -> SpoolFile:
        """A file of our own. Raises SpoolFull."""
        path = self.path / f"{ids.new()}{_ENDING}"
        unfinished = path.with_suffix(_UNFINISHED)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            # Under its name only when it is locked: who finds it unlocked takes it for an orphan's, and removes it.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unfinished.rename(path)
            _sync_folder(self.path)
        except OSError as error:
            raise SpoolFull(f"The spool in {self.path} can't be made: {error.strerror}") from error
        return SpoolFile(path, descriptor, self._fernet())

    def orphans(self) -> Iterator[SpoolFile]:
        """Files whose writers are gone, locked for us, the oldest first."""
        for path in self._files():
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
                if _is_ours(descriptor, path):
                    yield SpoolFile(path, descriptor, self._fernet())
                else:
                    os.close(descriptor)

    def waiting(self) -> int:
        """Bytes that wait here, of whatever process."""
        found = 0
        for path in self._files():
            with contextlib.suppress(OSError):
                found += path.stat().st_size
        return found

    def takes(self) -> bool:
        """Whether it would take a ping now."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            room = os.statvfs(self.path)
            return os.access(self.path, os.W_OK) and room.f_bavail * room.f_frsize > 1024**2
        except OSError:
            return False

    def _files(self) -> list[Path]:
        # Their names begin with the time they were made.
        return sorted(path for path in self.path.glob(f"*{_ENDING}") if _is_id(path.stem))

    def _fernet(self) -> MultiFernet:
        # Only here: it is slow to import, and few processes ever spool.
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in self._secret_keys])


def _derived(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=32, person=b"tokiflow-spool").digest()


def _is_ours(descriptor: int, path: Path) -> bool:
    """Whether we got the lock, and the file was not finished and removed while we asked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except OSError:
        return False


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
