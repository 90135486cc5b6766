"""Everything that is kept about a person, as a zip of JSON lines: for themselves, wherever they belong or belonged.

What others would break in with, were the file lost, is described and not told: no keys, no codes, no digests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import (
    ApiKey,
    AuditEvent,
    Authenticator,
    Export,
    Incident,
    IncidentEvent,
    Invitation,
    Letter,
    Membership,
    Monitor,
    Organization,
    Passkey,
    Preset,
    Recipient,
    RecoveryCode,
    ReportSchedule,
    SignInLink,
    User,
    UserSession,
)
from tokiflow.services.exporting import Asked, Progress
from tokiflow.services.exporting.archive import Archive

FORMAT = "tokiflow-person"
READ_AT_ONCE = 1_000
SMALL = 5_000

LEFT_OUT = (
    "What opens doors: the values of cookies and links, keys of passkeys, the secret of the second factor, recovery "
    "codes. That they are there, since when, and when they were last used, is told.",
    "What belongs to organizations: their owners export it.",
)
"""What is not in it, and why."""


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write everything about the person who asks."""
    engine = db.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, Archive(path) as out:
        person = connection.execute(select(User.id, User.email).where(User.id == asked.user_id)).one_or_none()
        if person is None:
            raise errors.NotFound("This person is gone.")
        files = statements(person.id, person.email)
        for done, (name, statement) in enumerate(files.items()):
            progress(done, len(files))
            out.lines(f"{name}.jsonl", _rows(connection, statement))
        out.text("README.txt", _README.format(email=person.email))
        out.close(FORMAT, asked.at, person={"id": person.id, "email": person.email}, left_out=list(LEFT_OUT))
    return f"my-tokiflow-data-{asked.at:%Y-%m-%d}.zip"


def is_small(user_id: Any) -> bool:
    """Whether it takes no longer than somebody likes to wait for a page: it is what they did that may be much."""
    did = select(AuditEvent.id).where(AuditEvent.by_id == user_id).limit(SMALL + 1).subquery()
    return (db.session.scalar(select(func.count()).select_from(did)) or 0) <= SMALL


def statements(user_id: Any, email: str) -> dict[str, Select[Any]]:
    """By file: what finds its rows."""
    return {
        "account": _of(User, User.id == user_id, "session_epoch", "google_sub").add_columns(
            User.google_sub.is_not(None).label("google_is_linked")
        ),
        "memberships": select(Organization.id, Organization.name, Membership.role, Membership.created_at)
        .join(Membership, Membership.organization_id == Organization.id)
        .where(Membership.user_id == user_id)
        .order_by(Organization.id),
        "sessions": _of(UserSession, UserSession.user_id == user_id, "digest"),
        "passkeys": _of(Passkey, Passkey.user_id == user_id, "credential_id", "public_key"),
        "second_factor": _of(Authenticator, Authenticator.user_id == user_id, "sealed_secret", "last_step"),
        "recovery_codes": _of(RecoveryCode, RecoveryCode.user_id == user_id, "digest"),
        "sign_in_links": _of(SignInLink, SignInLink.email == email, "browser", "lease_until", "rung_at"),
        "invitations": _of(
            Invitation,
            or_(Invitation.email == email, Invitation.invited_by == user_id, Invitation.accepted_by == user_id),
            "nonce",
        ),
        "alerts_to_my_address": _of(Recipient, Recipient.address == email),
        "mails": _of(Letter, Letter.to_address == email, "lease_until", "rung_at"),
        "exports": _of(Export, Export.user_id == user_id, "key", "lease_until"),
        "reports_by_mail": _of(ReportSchedule, ReportSchedule.user_id == user_id),
        "what_i_did": _of(AuditEvent, AuditEvent.by_id == user_id, "words_hash", "hash"),
        "what_was_done_to_me": _of(
            AuditEvent,
            AuditEvent.object_id == user_id,
            or_(AuditEvent.by_id.is_(None), AuditEvent.by_id != user_id),
            "words_hash", "hash",
        ),
        "comments": _of(IncidentEvent, IncidentEvent.what == "commented", _wrote(user_id)),
        "incidents_assigned_to_me": _of(Incident, Incident.assigned_to == user_id),
        "presets": _of(Preset, Preset.user_id == user_id),
        "monitors_i_made": select(Monitor.id, Monitor.organization_id, Monitor.name, Monitor.created_at)
        .where(Monitor.created_by == user_id)
        .order_by(Monitor.id),
        "api_keys_i_made": _of(ApiKey, ApiKey.created_by == user_id, "digest"),
    }  # fmt: skip


def _of(model: Any, *which: ColumnElement[bool] | str) -> Select[Any]:
    """The rows that are `which`, without the columns named there."""
    without = {one for one in which if isinstance(one, str)}
    columns = [column for column in model.__table__.columns if column.name not in without]
    conditions = [one for one in which if not isinstance(one, str)]
    return select(*columns).where(*conditions).order_by(*model.__table__.primary_key.columns)


def _wrote(user_id: Any) -> ColumnElement[bool]:
    """Old comments hold the name of their writer, and names change; the log of who did what holds who it was."""
    noted = exists().where(
        and_(
            AuditEvent.by_id == user_id,
            AuditEvent.what == "incident.commented",
            AuditEvent.object_id == IncidentEvent.incident_id,
            AuditEvent.at == IncidentEvent.at,
        )
    )
    return or_(IncidentEvent.user_id == user_id, noted)


def _rows(connection: Connection, statement: Select[Any]) -> Iterator[dict[str, Any]]:
    found = connection.execution_options(yield_per=READ_AT_ONCE).execute(statement)
    return (dict(row) for row in found.mappings())


_README = """\
This is everything Tokiflow keeps about {email}.

*.jsonl          one kind of thing a file, one a line, as JSON; times are UTC
manifest.json    how many lines each file has, its size and its SHA-256; what was left out, and why
"""
