"""A zip that is written as a stream: JSON lines in files, and at last a manifest that says what must be in them.

Only one file is open at a time and no row stays in memory, so it may be larger than that.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from uuid import UUID

VERSION = 1
MANIFEST = "manifest.json"
CHUNK = 256 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Archive:
    """`with Archive(path) as archive:` writes it; `close(…)` adds the manifest."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._files: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._zip.close()

    def lines(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write `rows` as the JSON lines of the file `name`; how many."""
        count = size = 0
        digest = hashlib.sha256()
        with self._opened(name) as file:
            for count, row in enumerate(rows, start=1):  # noqa: B007 - it is given back
                line = as_line(row)
                digest.update(line)
                size += len(line)
                file.write(line)
        self._files[name] = {"rows": count, "size": size, "sha256": digest.hexdigest()}
        return count

    def take(self, name: str, path: Path, rows: int) -> None:
        """Take the file at `path`, which has so many lines, as the file `name`."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as source, self._opened(name) as file:
            while piece := source.read(CHUNK):
                digest.update(piece)
                size += len(piece)
                file.write(piece)
        self._files[name] = {"rows": rows, "size": size, "sha256": digest.hexdigest()}

    def loose(self, name: str, data: bytes) -> str:
        """Write a file that the manifest does not list, because a row names it; its SHA-256 in hex."""
        with self._opened(name) as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()

    def text(self, name: str, words: str) -> None:
        """Write a file for people to read."""
        data = words.encode()
        self._files[name] = {"size": len(data), "sha256": self.loose(name, data)}

    def close(self, what: str, made_at: datetime, **said: Any) -> None:
        """Write the manifest: what this is, and what must be in each file. Nothing comes after it."""
        manifest = {"format": what, "version": VERSION, "made_at": made_at.isoformat(), **said, "files": self._files}
        with self._opened(MANIFEST) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=2, default=plain).encode() + b"\n")

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        # Without a time of day of its own, the same content makes the same file.
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            yield file


def as_line(row: Mapping[str, Any]) -> bytes:
    """The row as one line of JSON, times in ISO 8601."""
    return (
        json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=plain).encode("utf-8", "surrogatepass")
        + b"\n"
    )


def plain(value: object) -> str:
    """What JSON has no form of its own for. Raises TypeError for what nobody expects here."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no place in an export")
