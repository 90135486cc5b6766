"""Bring the export of an organization into this Tokiflow: the same organization, with the same ids, tokens and history.

One transaction: a file that is not whole, was changed or does not fit leaves nothing behind. Nothing in the file is
believed that could lead out of its organization: each row must belong to it, and to nothing that was here before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert, select
from sqlalchemy.exc import DataError, IntegrityError

from tokiflow import channels, errors
from tokiflow.core import ids, sealing
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import AuditChain, Membership, Offload, Organization, User
from tokiflow.queries import audit_chains
from tokiflow.services import audit, outputs, people
from tokiflow.services.exporting import tables
from tokiflow.services.exporting.tables import Part
from tokiflow.services.importing.archive import Archive, BadArchive, opened
from tokiflow.services.importing.rows import Row, moment

log = structlog.get_logger()

WRITE_AT_ONCE = 500
NOT_SENT = "Not sent: it was still waiting when this organization was exported."


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
        with opened(path) as archive, transaction():
            done = _Writing(archive, now).all()
            audit.record(
                "organization.imported", by, done.organization_id, now,
                object_id=done.organization_id, object_name=done.name, after={"made_at": archive.manifest["made_at"]},
            )  # fmt: skip
    except IntegrityError as error:
        raise errors.Conflict(_taken(error)) from None
    except DataError:
        raise BadArchive("It holds a value that can’t be stored. Export it again.") from None
    log.info("organization_imported", organization=str(done.organization_id))
    return done


@dataclass
class _Writing:
    """One import on its way. `known` holds, by table, the ids that came; `people` whose id became whose here."""

    archive: Archive
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
        rows = list(self.archive.rows(f"tables/{tables.ORGANIZATION.name}.jsonl"))
        if len(rows) != 1:
            raise BadArchive(f"It holds {len(rows)} organizations; an export has one.")
        row = Row(tables.ORGANIZATION, rows[0]).read()
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
        for line in self.archive.rows("members.jsonl"):
            try:
                email, role = people.address(str(line["email"])), Role(line["role"])
                old, at = UUID(line["id"]), moment(line["created_at"])
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
        for line in self.archive.rows(f"tables/{part.name}.jsonl"):
            more = self._taken_apart(part, line, done)
            row = Row(part, line).read() | more
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
            return {"body": self.archive.output(line.pop("output", None)), "body_key": None}
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


def _taken(error: IntegrityError) -> str:
    """Ids and tokens are unique everywhere, so the same export was brought in before, or something was made up."""
    table = getattr(getattr(error.orig, "diag", None), "table_name", None) or "a table"
    return f"Something of it is here already, or does not fit together (in {table}). Import it into a fresh Tokiflow."


def _in_words(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
