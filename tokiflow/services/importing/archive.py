"""The archive of an organization, read with distrust: a file that is not whole or was changed is refused."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tokiflow import errors
from tokiflow.services.exporting import tables
from tokiflow.services.exporting.archive import CHUNK, MANIFEST, VERSION
from tokiflow.services.exporting.organization import FORMAT

LONGEST_LINE = 16 * 1024 * 1024
LARGEST_OUTPUT = 4 * 1024 * 1024
LARGEST_MANIFEST = 4 * 1024 * 1024


class BadArchive(errors.TokiflowError):
    """The file is no export of an organization, or not as it was written. Nothing of it was taken."""

    status = 422
    title = "This file can’t be imported"


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive at `path`, whole and as it was written. Raises BadArchive, also while it is read."""
    try:
        with zipfile.ZipFile(path) as zipped:
            archive = Archive(zipped, _manifest(zipped))
            archive.check()
            yield archive
    except FileNotFoundError:
        raise BadArchive(f"There is no file {path}.") from None
    except OSError as error:
        raise BadArchive(f"{path} can’t be read: {error.strerror}.") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        if (
            isinstance(error, RuntimeError)
            and not isinstance(error, NotImplementedError)
            and "password" not in str(error)
        ):
            raise
        raise BadArchive(f"{path.name} is no zip, or it is damaged. Download it again.") from None


@dataclass
class Archive:
    """An archive and what its manifest says of it."""

    zip: zipfile.ZipFile
    manifest: dict[str, Any]

    def check(self) -> None:
        """Every file that is named is there, whole, and as it was written; and every one that is needed is named."""
        files = self.manifest["files"]
        for name in ["members.jsonl", *(f"tables/{part.name}.jsonl" for part in tables.PARTS)]:
            if name not in files:
                raise BadArchive(f"{name} is missing. Download the export again.")
        for name, said in files.items():
            if not isinstance(said, dict):
                raise BadArchive(f"Its {MANIFEST} says nothing of {name[:80]}.")
            self._check(name, said)

    def _check(self, name: str, said: Mapping[str, Any]) -> None:
        digest, size = hashlib.sha256(), 0
        with self._file(name) as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
                size += len(piece)
        if (size, digest.hexdigest()) != (said.get("size"), said.get("sha256")):
            raise BadArchive(f"{name} is not as it was written. Download the export again.")

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The lines of a file, one after the other."""
        with self._file(name) as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield _json(line, f"Line {number} of {name}")

    def output(self, said: Any) -> bytes | None:
        """What a ping's line says it printed."""
        if said is None:
            return None
        if not isinstance(said, dict) or not isinstance(said.get("file"), str):
            raise BadArchive("A ping does not say where its output is.")
        name = said["file"]
        with self._file(name) as file:
            data = file.read(LARGEST_OUTPUT + 1)
        if hashlib.sha256(data).hexdigest() != said.get("sha256"):
            raise BadArchive(f"{name} is not as it was written. Download the export again.")
        return data

    @contextmanager
    def _file(self, name: str) -> Iterator[IO[bytes]]:
        try:
            file = self.zip.open(name)
        except KeyError:
            raise BadArchive(f"{name[:120]} is missing. Download the export again.") from None
        with file:
            yield file


def _manifest(zipped: zipfile.ZipFile) -> dict[str, Any]:
    try:
        info = zipped.getinfo(MANIFEST)
    except KeyError:
        raise BadArchive(f"It has no {MANIFEST}: it is no export of Tokiflow’s, or only a part of one.") from None
    if info.file_size > LARGEST_MANIFEST:
        raise BadArchive(f"Its {MANIFEST} is larger than any of ours.")
    found = _json(zipped.read(info), MANIFEST)
    if found.get("format") != FORMAT:
        raise BadArchive("It is not the export of an organization. (One’s own data can’t be imported.)")
    if found.get("version") != VERSION:
        raise BadArchive(
            f"It has version {found.get('version')}; this Tokiflow reads version {VERSION}. Update the older one."
        )
    if not isinstance(found.get("files"), dict) or not isinstance(found.get("made_at"), str):
        raise BadArchive(f"Its {MANIFEST} does not say what should be in it.")
    return found


def _json(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise BadArchive(f"{where} is no JSON.") from None
    if not isinstance(found, dict):
        raise BadArchive(f"{where} is no JSON object.")
    return found
