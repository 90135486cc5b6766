"""All of an organization as a zip: every table as JSON lines, every output as a file. `services.importing` reads it.

It is read as of one moment, however long that takes, on a connection of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, select

from tokiflow import channels, errors
from tokiflow.core import ids
from tokiflow.db import db
from tokiflow.models import AuditChain, Membership, Monitor, Organization, Ping, Run, User
from tokiflow.services import audit, outputs
from tokiflow.services.exporting import Asked, Progress, archive, tables
from tokiflow.services.exporting.archive import Archive
from tokiflow.services.exporting.tables import Part

FORMAT = "tokiflow-organization"
READ_AT_ONCE = 1_000
TELL_EVERY = 1_000
SMALL = 2_000
"""So many rows, and a twentieth of it in stored outputs, take a second or so."""


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write everything of the organization, without what tables.LEFT_OUT names."""
    assert asked.organization_id is not None
    engine = db.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, Archive(path) as out:
        writing = _Writing(connection, asked.organization_id, out, progress)
        organization = writing.all(path.with_name("pings.jsonl"))
        out.text("README.txt", _README.format(name=organization.name))
        out.close(
            FORMAT, asked.at,
            organization={"id": organization.id, "name": organization.name, "slug": organization.slug},
            outputs={"files": writing.outputs}, left_out=list(tables.LEFT_OUT),
        )  # fmt: skip
    return f"{organization.slug}-{asked.at:%Y-%m-%d}.zip"


def is_small(organization_id: UUID) -> bool:
    """Whether its export takes no longer than somebody likes to wait for a page."""
    mine = select(Monitor.id).where(Monitor.organization_id == organization_id)
    for model in (Run, Ping):
        # No further than needed: whoever has ten million runs must not wait for them to be counted.
        some = select(model.at).where(model.monitor_id.in_(mine)).limit(SMALL + 1).subquery()
        if (db.session.scalar(select(func.count()).select_from(some)) or 0) > SMALL:
            return False
    stored = select(Ping.at).where(Ping.monitor_id.in_(mine), Ping.body_key.is_not(None)).limit(SMALL // 20 + 1)
    return (db.session.scalar(select(func.count()).select_from(stored.subquery())) or 0) <= SMALL // 20


@dataclass
class _Writing:
    """One export on its way. `done` and `total` count rows, `outputs` files."""

    connection: Connection
    organization_id: UUID
    out: Archive
    progress: Progress
    outputs: int = 0
    done: int = 0
    total: int = 0
    members: frozenset[UUID] = field(default_factory=frozenset)

    def all(self, pings: Path) -> Any:
        """Every table; the organization's row. `pings`: a place for what has to wait for its outputs."""
        organization = self.connection.execute(
            select(Organization.id, Organization.name, Organization.slug).where(Organization.id == self.organization_id)
        ).one_or_none()
        if organization is None:
            raise errors.NotFound("This organization is gone.")
        self.total = sum(self._count(part) for part in (tables.RUNS, tables.PINGS, tables.AUDIT))
        self.out.lines("members.jsonl", self._told(self._people()))
        for part in tables.PARTS:
            if part is tables.PINGS:
                self._pings(pings)
            else:
                self.out.lines(f"tables/{part.name}.jsonl", self._told(self._rows(part)))
        return organization

    def _count(self, part: Part) -> int:
        counted = select(func.count()).select_from(part.table).where(part.mine(self.organization_id))
        return self.connection.execute(counted).scalar_one()

    def _people(self) -> Iterator[dict[str, Any]]:
        statement = (
            select(User.id, User.email, User.name, User.timezone, Membership.role, Membership.created_at)
            .join(Membership, Membership.user_id == User.id)
            .where(Membership.organization_id == self.organization_id)
            .order_by(User.email)
        )
        found = [dict(row) for row in self.connection.execute(statement).mappings()]
        self.members = frozenset(one["id"] for one in found)
        yield from found

    def _rows(self, part: Part) -> Iterator[dict[str, Any]]:
        for row in self._streamed(part.rows(self.organization_id)):
            for name in part.people:
                row[name] = row[name] if row[name] in self.members else None
            if part is tables.CHANNELS:
                row["config"], row["secrets_left_out"] = without_secrets(row["kind"], row["config"])
            elif part is tables.AUDIT_CHAIN:
                row["key"] = self._chain_key()
            yield row

    def _chain_key(self) -> str:
        sealed = self.connection.execute(
            select(AuditChain.sealed_key).where(AuditChain.organization_id == self.organization_id)
        ).scalar_one()
        try:
            return audit.key_of(AuditChain(sealed_key=sealed)).decode()
        except ValueError:
            raise errors.Conflict(
                "The audit log can’t be read: SECRET_KEY is another than when it began. Give back the former one."
            ) from None

    def _pings(self, path: Path) -> None:
        """Pings last of all wait beside the archive: in a zip only one file is written at a time."""
        statement = tables.PINGS.rows(self.organization_id).add_columns(Ping.body, Ping.body_key)
        count = 0
        with path.open("wb") as file:
            for row in self._told(self._streamed(statement)):
                body, key = row.pop("body"), row.pop("body_key")
                row["output"] = self._output(row, outputs.fetch(key) if body is None and key else body)
                file.write(archive.as_line(row))
                count += 1
        self.out.take(f"tables/{tables.PINGS.name}.jsonl", path, count)
        path.unlink()

    def _output(self, row: Mapping[str, Any], body: bytes | None) -> dict[str, Any] | None:
        if body is None:
            return None
        name = f"outputs/{row['at']:%Y-%m-%d}/{ids.public('mon', row['monitor_id'])}/{row['n']}.txt"
        self.outputs += 1
        return {"file": name, "size": len(body), "sha256": self.out.loose(name, bytes(body))}

    def _streamed(self, statement: Select[Any]) -> Iterator[dict[str, Any]]:
        found = self.connection.execution_options(yield_per=READ_AT_ONCE).execute(statement)
        return (dict(row) for row in found.mappings())

    def _told(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            yield row
            self.done += 1
            if self.done % TELL_EVERY == 0:
                self.progress(self.done, max(self.total, self.done))


def without_secrets(kind: str, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The config of a channel without its secrets, and the names of those that it had."""
    secret = channels.get(kind).secret_fields
    told = {name: value for name, value in config.items() if name not in secret}
    return told, sorted(name for name in secret if config.get(name))


_README = """\
This is everything Tokiflow keeps for {name}.

members.jsonl          who is in it, with their role
tables/*.jsonl         one table a file, one row a line, as JSON; times are UTC
outputs/<day>/…        what jobs printed; the line of the ping in tables/pings.jsonl names its file
manifest.json          how many rows each file has, its size and its SHA-256; what was left out

Keep it in a safe place: ping URLs are in it, and so is the key of the log of who did what.
To bring it into another Tokiflow: tokiflow import FILE.zip
"""
