"""Bring the export of an organization into this Tokiflow: the same organization, with the same ids, tokens and history.

One transaction: a file that is not whole, was changed or does not fit leaves nothing behind. Nothing in the file is
believed that could lead out of its organization: each row must belong to it, and to nothing that was here before.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Boolean, Column, Integer, LargeBinary, String, Uuid, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DataError, IntegrityError

from tokiflow import channels, errors
from tokiflow.core import ids, sealing
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import UtcDateTime, db, transaction
from tokiflow.models import AuditChain, Membership, Offload, Organization, User
from tokiflow.models.sealed import SealedJson
from tokiflow.queries import audit_chains
from tokiflow.services import audit, outputs, people
from tokiflow.services.exporting import organization as exporting
from tokiflow.services.exporting import tables
from tokiflow.services.exporting.archive import MANIFEST, VERSION
from tokiflow.services.exporting.tables import Part

log = structlog.get_logger()

WRITE_AT_ONCE = 500
LONGEST_LINE = 16 * 1024 * 1024
LARGEST_OUTPUT = 4 * 1024 * 1024
LARGEST_MANIFEST = 4 * 1024 * 1024
CHUNK = 256 * 1024
NOT_SENT = "Not sent: it was still waiting when this organization was exported."


class BadArchive(errors.TokiflowError):
    """The file is no export of an organization, or not as it was written. Nothing of it was taken."""

    status = 422
    title = "This file can’t be imported"


@dataclass
class Imported:
    """What came of it. channels: the names of those that are disabled until somebody writes their secrets again."""

    organization_id: UUID
    name: str
    rows: dict[str, int] = field(default_factory=dict)
    outputs: int = 0
    members: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)


def restore(path: Path, by: Actor, now: datetime) -> Imported:
    """Make the organization that is in the file at `path`. Raises BadArchive, or Conflict if it is here already."""
    try:
        with _opened(path) as archive:
            reading = _Reading(archive, _manifest(archive))
            reading.check()
            with transaction():
                done = _Writing(reading, now).all()
                audit.record(
                    "organization.imported", by, done.organization_id, now,
                    object_id=done.organization_id, object_name=done.name,
                    after={"made_at": reading.manifest["made_at"]},
                )  # fmt: skip
    except IntegrityError as error:
        raise errors.Conflict(_taken(error)) from None
    except DataError:
        raise BadArchive("It holds a value that can’t be stored. Export it again.") from None
    log.info("organization_imported", organization=str(done.organization_id))
    return done


# --- reading ----------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
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


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        info = archive.getinfo(MANIFEST)
    except KeyError:
        raise BadArchive(f"It has no {MANIFEST}: it is no export of Tokiflow’s, or only a part of one.") from None
    if info.file_size > LARGEST_MANIFEST:
        raise BadArchive(f"Its {MANIFEST} is larger than any of ours.")
    found = _json(archive.read(info), MANIFEST)
    if found.get("format") != exporting.FORMAT:
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


@dataclass
class _Reading:
    """The archive and what its manifest says of it."""

    archive: zipfile.ZipFile
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
            file = self.archive.open(name)
        except KeyError:
            raise BadArchive(f"{name[:120]} is missing. Download the export again.") from None
        with file:
            yield file


# --- writing ----------------------------------------------------------------------------------------------------


@dataclass
class _Writing:
    """One import on its way. `known` holds, by table, the ids that came; `people` whose id became whose here."""

    reading: _Reading
    now: datetime
    known: dict[str, set[UUID]] = field(default_factory=dict)
    people: dict[UUID, UUID] = field(default_factory=dict)
    chain_key: str = ""

    def all(self) -> Imported:
        done = self._organization()
        self._members(done)
        for part in tables.PARTS[1:]:
            done.rows[part.name] = self._table(part, done)
        self._check_chain(done.organization_id)
        return done

    def _organization(self) -> Imported:
        rows = list(self.reading.rows(f"tables/{tables.ORGANIZATION.name}.jsonl"))
        if len(rows) != 1:
            raise BadArchive(f"It holds {len(rows)} organizations; an export has one.")
        row = _Row(tables.ORGANIZATION, rows[0]).read()
        taken = select(Organization.name).where((Organization.id == row["id"]) | (Organization.slug == row["slug"]))
        if db.session.execute(taken.limit(1)).scalar_one_or_none() is not None:
            raise errors.Conflict(
                f"There is an organization {row['slug']} here already. An import makes a new one and changes none: "
                "delete that one first, or import into another Tokiflow."
            )
        db.session.execute(insert(tables.ORGANIZATION.table), [row])
        self.known["organizations"] = {row["id"]}
        return Imported(row["id"], row["name"])

    def _members(self, done: Imported) -> None:
        """Accounts for those who have none here, without a session: whoever proves the address is in."""
        for line in self.reading.rows("members.jsonl"):
            try:
                email, role = people.address(str(line["email"])), Role(line["role"])
                old, at = UUID(line["id"]), _moment(line["created_at"])
                name, zone = str(line["name"])[: people.NAME_LIMIT], str(line["timezone"])
            except (KeyError, ValueError, TypeError, errors.Invalid):
                raise BadArchive("members.jsonl names somebody without an address, a role or an id.") from None
            user_id = self._account(old, email, name, zone)
            self.people[old] = user_id
            db.session.add(
                Membership(organization_id=done.organization_id, user_id=user_id, role=str(role), created_at=at)
            )
            done.members.append(email)
        db.session.flush()

    def _account(self, old: UUID, email: str, name: str, zone: str) -> UUID:
        here = db.session.execute(select(User.id).where(User.email == email)).scalar_one_or_none()
        if here is not None:
            return here
        taken = db.session.execute(select(User.id).where(User.id == old)).scalar_one_or_none()
        user = User(id=ids.new() if taken else old, email=email, name=name or email, timezone=zone, created_at=self.now)
        db.session.add(user)
        db.session.flush()
        return user.id

    def _table(self, part: Part, done: Imported) -> int:
        count, waiting = 0, []
        known = self.known.setdefault(part.name, set())
        for line in self.reading.rows(f"tables/{part.name}.jsonl"):
            more = self._taken_apart(part, line, done)
            row = _Row(part, line).read() | more
            self._check_belongs(part, row, done.organization_id)
            for name in part.people:
                row[name] = self.people.get(row[name])
            if "id" in row and part not in (tables.AUDIT, tables.RUNS):
                known.add(row["id"])
            waiting.append(row)
            count += 1
            if len(waiting) == WRITE_AT_ONCE:
                self._write(part, waiting)
                waiting = []
        self._write(part, waiting)
        return count

    def _taken_apart(self, part: Part, line: dict[str, Any], done: Imported) -> dict[str, Any]:
        """What of a line is not a column as it stands: taken out of it, and given back as columns."""
        if part is tables.CHANNELS:
            return self._channel(line, done)
        if part is tables.PINGS:
            done.outputs += line.get("output") is not None
            return {"body": self.reading.output(line.pop("output", None)), "body_key": None}
        if part is tables.AUDIT_CHAIN:
            self.chain_key = str(line.pop("key", ""))
            return {"sealed_key": sealing.seal(self.chain_key, audit.keys())}
        if part is tables.DELIVERIES and line.get("status") == "pending":
            # Whoever was exported may still send it.
            return {"status": "dead", "last_error": NOT_SENT}
        return {}

    def _channel(self, line: dict[str, Any], done: Imported) -> dict[str, Any]:
        missing = line.pop("secrets_left_out", None)
        config = line.get("config")
        if not isinstance(missing, list) or not isinstance(config, dict):
            raise BadArchive("A channel does not say what it is made of.")
        try:
            kind = channels.get(str(line.get("kind")))
        except errors.Invalid:
            raise BadArchive(
                f"A channel is of a kind that this version does not know: {str(line.get('kind'))[:40]}."
            ) from None
        config = {**{name: {} if name == "headers" else "" for name in sorted(kind.secret_fields)}, **config}
        if not missing and kind.kind != "slack_app":
            return {"config": config}
        done.channels.append(str(line.get("name")))
        words = _in_words([field.label.lower() for field in kind.fields if field.name in missing])
        why = f"write its {words} again" if missing else "add Tokiflow to its Slack workspace again"
        return {"config": config, "enabled": False, "disabled_reason": f"It was imported, without secrets: {why}."}

    def _check_belongs(self, part: Part, row: Mapping[str, Any], organization_id: UUID) -> None:
        if "organization_id" in row and row["organization_id"] != organization_id:
            raise BadArchive(f"tables/{part.name}.jsonl holds rows of another organization.")
        for name, table in part.of.items():
            if row[name] is not None and row[name] not in self.known[table]:
                raise BadArchive(f"tables/{part.name}.jsonl speaks of a row of {table} that is not in the file.")

    def _write(self, part: Part, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        db.session.execute(insert(part.table), rows)
        if part is tables.PINGS:
            large = outputs.offloads([row for row in rows if len(row["body"] or b"") > outputs.INLINE])
            if large:
                db.session.execute(insert(Offload), large)

    def _check_chain(self, organization_id: UUID) -> None:
        db.session.flush()
        row = db.session.get(AuditChain, organization_id)
        if row is None:
            return
        broken = next(audit_chains.breaks(organization_id, self.chain_key.encode()), None)
        if broken is not None:
            raise BadArchive(f"Its log of who did what was changed: {broken.said}.")


@dataclass(frozen=True)
class _Row:
    """A line of a table's file."""

    part: Part
    line: Mapping[str, Any]

    def read(self) -> dict[str, Any]:
        """Its columns as the database wants them. Raises BadArchive for missing, unknown and ill-fitting ones."""
        wanted = {column.name: column for column in self.part.columns}
        if unknown := sorted(set(self.line) - set(wanted)):
            raise self._bad(f"{unknown[0][:40]} is no column that this version knows")
        if missing := sorted(set(wanted) - set(self.line)):
            raise self._bad(f"{missing[0]} is missing")
        return {name: self._value(column, self.line[name]) for name, column in wanted.items()}

    def _value(self, column: Column[Any], given: Any) -> Any:
        if given is None:
            if not column.nullable:
                raise self._bad(f"{column.name} is empty")
            return None
        try:
            return _read(column, given)
        except (ValueError, TypeError):
            raise self._bad(f"{column.name} can’t be read") from None

    def _bad(self, why: str) -> BadArchive:
        return BadArchive(f"A row of tables/{self.part.name}.jsonl can’t be taken: {why}.")


def _read(column: Column[Any], given: Any) -> Any:
    kind = column.type
    if isinstance(kind, Uuid):
        return UUID(given)
    if isinstance(kind, UtcDateTime):
        return _moment(given)
    if isinstance(kind, LargeBinary):
        raise TypeError("bytes are in files")
    if isinstance(kind, JSONB | SealedJson):
        return _is(given, dict, list)
    if isinstance(kind, ARRAY):
        return _is(given, list)
    if isinstance(kind, Boolean):
        return _is(given, bool)
    if isinstance(kind, Integer):
        return _is(given, int)
    assert isinstance(kind, String), kind
    text: str = _is(given, str)
    if "\x00" in text or (kind.length is not None and len(text) > kind.length):
        raise ValueError(column.name)
    return text


def _moment(given: str) -> datetime:
    found = datetime.fromisoformat(given)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found


def _is(given: Any, *kinds: type) -> Any:
    if not isinstance(given, kinds) or (isinstance(given, bool) and bool not in kinds):
        raise TypeError
    return given


def _taken(error: IntegrityError) -> str:
    """Ids and tokens are unique everywhere, so the same export was brought in before, or something was made up."""
    table = getattr(getattr(error.orig, "diag", None), "table_name", None) or "a table"
    return f"Something of it is here already, or does not fit together (in {table}). Import it into a fresh Tokiflow."


def _in_words(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
