"""Take a person out of everything, for good.

Their own rows go. What belongs to organizations stays, without them: on timelines stands "a former member", the log of
who did what keeps its chain and loses their words (services.audit.redact), and no channel writes to their address any
more. What jobs printed is the organization's and is not looked through.

Each step is a transaction of its own and may be done again: killed at any moment, the next call goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    String,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    func,
    or_,
    select,
    union,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from tokiflow.core import chain
from tokiflow.core.actors import THE_JOB, TOKIFLOW
from tokiflow.core.monitor_draft import slug_from
from tokiflow.core.roles import Role
from tokiflow.db import changed, db, transaction
from tokiflow.models import (
    AuditEvent,
    Channel,
    Export,
    Incident,
    IncidentEvent,
    Invitation,
    Letter,
    Membership,
    Monitor,
    Organization,
    Recipient,
    SignInLink,
    User,
)
from tokiflow.queries import departures
from tokiflow.services import assignments, audit, disablings, exports, invitations, notices, organizations, presets
from tokiflow.services.exporting import tables

log = structlog.get_logger()

FORMER = "a former member"
NO_ADDRESS = "an address that is gone"
LEFT = "member.erased"
AT_ONCE = 1_000
_RANKS = (Role.ADMIN, Role.MEMBER, Role.VIEWER)
_NO_PROBLEM = sql("""
    update runs set findings = (
        select jsonb_agg(
            case when one->>'accepted_by' = any(:names)
            then one || jsonb_build_object('accepted_by', cast(:new as text)) else one end order by n
        ) from jsonb_array_elements(findings) with ordinality found (one, n)
    )
    where monitor_id in (select id from monitors where organization_id = :organization) and findings is not null
        and exists (select from jsonb_array_elements(findings) one where one->>'accepted_by' = any(:names))
""")
"""Of what people said that it is no problem: who did. It is all that is theirs in what jobs did."""

_NOT_LOOKED_THROUGH = {tables.RUNS.name, tables.PINGS.name, tables.AUDIT.name, tables.AUDIT_CHAIN.name}


@dataclass(frozen=True)
class Words:
    """By what a person is found: their address, and all names they ever went by.

    A name of several words is taken for theirs wherever it stands. One of a single word may be any word, so it is only
    where it must be a name: as a whole value, after "by", and as a word in what people said to each other.
    """

    address: str
    names: frozenset[str]

    @property
    def full(self) -> list[str]:
        return sorted((one for one in self.names if len(one.split()) > 1), key=len, reverse=True)

    @property
    def single(self) -> list[str]:
        return sorted(one for one in self.names if len(one.split()) == 1 and "@" not in one)


def erase(user_id: UUID, now: datetime) -> bool:
    """Erase this person, if their time is over. False while an organization that goes with them is still here."""
    user = db.session.get(User, user_id, populate_existing=True)
    if user is None or user.erase_at is None or user.erase_at > now:
        db.session.rollback()
        return False
    if _take_along(user_id, now):
        return False
    words = Words(user.email.lower(), _names(user))
    for organization_id in _touched(user_id, user.email):
        _leave(organization_id, user_id, now)
        _no_more_mail(organization_id, words.address, now)
        _forget_words(organization_id, words)
        _redact(organization_id, user_id, words, now)
    _let_files_go(user_id, now)
    _forget_rows(user_id, user.email)
    log.info("person_erased", user=str(user_id))
    return True


def _take_along(user_id: UUID, now: datetime) -> int:
    """Organizations that nobody else is in go as well (services.organizations); how many are still here."""
    going = [one for one, _ in departures.impact(user_id).goes]
    with transaction():
        sooner = func.least(func.coalesce(Organization.erase_at, now), now)
        changed(update(Organization).where(Organization.id.in_(going)).values(erase_at=sooner))
    return len(going)


def _touched(user_id: UUID, email: str) -> list[UUID]:
    """Organizations that know of them: where they are, were, were invited to, or get mail from."""
    found = union(
        select(Membership.organization_id).where(Membership.user_id == user_id),
        select(AuditEvent.organization_id).where(or_(AuditEvent.by_id == user_id, AuditEvent.object_id == user_id)),
        select(Recipient.organization_id).where(Recipient.address == email.lower()),
        select(Invitation.organization_id).where(
            or_(
                Invitation.email == email.lower(),
                Invitation.invited_by == user_id,
                Invitation.accepted_by == user_id,
            )
        ),
        select(Letter.organization_id).where(Letter.to_address == email, Letter.organization_id.is_not(None)),
    ).subquery()
    with transaction():
        return [one for one in db.session.execute(select(found)).scalars() if one is not None]


def _names(user: User) -> frozenset[str]:
    """What they are called, and were: the log of who did what knows each name they ever worked under."""
    known = select(AuditEvent.by).where(AuditEvent.by_id == user.id, AuditEvent.by_kind == "person").distinct()
    with transaction():
        found = {user.name, user.email, *db.session.execute(known).scalars()}
    return frozenset(found - {"", audit.TAKEN_OUT, FORMER, TOKIFLOW.name, THE_JOB.name})


def _leave(organization_id: UUID, user_id: UUID, now: datetime) -> None:
    """Out of the organization. Whoever was its last owner by now is followed by whoever has the most to say there."""
    with transaction():
        organization = organizations.locked(organization_id)
        invitations.withdraw_of(organization, user_id, (), "erased", TOKIFLOW, now)
        mine = Membership.organization_id == organization_id
        if not changed(delete(Membership).where(mine, Membership.user_id == user_id)):
            return
        audit.record(LEFT, TOKIFLOW, organization_id, now, object_id=user_id, object_name=FORMER)
        assignments.let_go(organization_id, user_id, FORMER, TOKIFLOW, now)
        if db.session.scalar(select(func.count()).where(mine, Membership.role == str(Role.OWNER))):
            return
        rank = case({str(role): n for n, role in enumerate(_RANKS)}, value=Membership.role)
        heir = db.session.execute(
            select(Membership).where(mine).order_by(rank, Membership.created_at, Membership.user_id).limit(1)
        ).scalar_one_or_none()
        if heir is not None:
            before, heir.role = heir.role, str(Role.OWNER)
            user = db.session.get_one(User, heir.user_id)
            audit.record(
                "member.role_changed", TOKIFLOW, organization_id, now, object_id=heir.user_id, object_name=user.name,
                before={"role": before}, after={"role": heir.role, "because": "the last owner deleted their account"},
            )  # fmt: skip
            notices.inherited(user, organization, now)


def _no_more_mail(organization_id: UUID, address: str, now: datetime) -> None:
    """No channel writes to them. One that has nobody left is disabled, and the owners are told."""
    with transaction():
        mails = select(Channel).where(Channel.organization_id == organization_id, Channel.kind == "email")
        deserted = []
        for row in db.session.execute(mails.order_by(Channel.id).with_for_update()).scalars():
            left = [one for one in row.config["to"] if one.lower() != address]
            if left == row.config["to"]:
                continue
            row.config, row.version = {**row.config, "to": left}, row.version + 1
            audit.record("channel.edited", TOKIFLOW, organization_id, now, object_id=row.id, object_name=row.name,
                         after={"reason": "A former member’s address was taken out."})  # fmt: skip
            if not left and row.enabled:
                row.enabled = False
                row.disabled_reason = "Its only address belonged to a former member; write another one."
                deserted.append(row.id)
        mine = Recipient.organization_id == organization_id, Recipient.address == address
        db.session.execute(delete(Recipient).where(*mine))
        db.session.flush()
        disablings.announce(deserted, now)


# --- words ------------------------------------------------------------------------------------------------------


def _forget_words(organization_id: UUID, words: Words) -> None:
    """Out of all that the organization's tables say, but for what jobs printed and the log, which is a chain."""
    for statement in _of_actors(organization_id, words):
        with transaction():
            changed(statement)
    parts: list[tuple[Table, Any]] = [(part.table, part.mine) for part in tables.PARTS]
    for table, mine in [*parts, *tables.elsewhere()]:
        if table.name not in _NOT_LOOKED_THROUGH:
            with transaction():
                _scrub(table, mine(organization_id), words)
    _rename(organization_id, words)


def _of_actors(organization_id: UUID, words: Words) -> Iterator[Any]:
    """Where a column holds nothing but the name of whoever did it."""
    mine = tables.named("incident_events").mine(organization_id)
    theirs = IncidentEvent.by.in_(words.names), IncidentEvent.by_kind == "person"
    yield update(IncidentEvent).where(mine, *theirs).values(by=FORMER)
    for model, column in (
        (Incident, Incident.acknowledged_by),
        (Incident, Incident.resolved_by),
        (Monitor, Monitor.paused_by),
    ):
        where = model.organization_id == organization_id, column.in_(words.names)
        yield update(model).where(*where).values({column: FORMER})
    yield _NO_PROBLEM.bindparams(names=list(words.names), new=FORMER, organization=organization_id)
    said = IncidentEvent.what == "commented"
    for name in words.single:
        pattern = _word(re.escape(name))
        new = func.regexp_replace(IncidentEvent.text, pattern, FORMER, "g")
        yield update(IncidentEvent).where(mine, said, IncidentEvent.text.op("~")(pattern)).values(text=new)


def _scrub(table: Table, mine: ColumnElement[bool], words: Words) -> None:
    """Replace their words in every column of `table` that holds text."""
    found: list[ColumnElement[bool]] = []
    values: dict[Column[Any], ColumnElement[Any]] = {}
    for column in table.columns:
        text = None if column.primary_key else _as_text(column)
        if text is not None:
            patterns = list(_patterns(words, in_json=not isinstance(column.type, String)))
            found += [text.op("~*" if "i" in flags else "~")(pattern) for pattern, _, flags in patterns]
            for pattern, replacement, flags in patterns:
                text = func.regexp_replace(text, pattern, replacement, flags)
            values[column] = _as_it_was(column, text)
    if values:
        changed(update(table).where(mine, or_(*found)).values(values))


def _as_text(column: Column[Any]) -> ColumnElement[Any] | None:
    """What the column says, as text or as JSON; None for numbers, times and ids."""
    kind = column.type
    if isinstance(kind, String):
        return column
    if isinstance(kind, JSONB):
        return cast(column, Text)
    if isinstance(kind, ARRAY) and isinstance(kind.item_type, String):
        return cast(func.to_jsonb(column), Text)
    return None


def _as_it_was(column: Column[Any], text: ColumnElement[Any]) -> ColumnElement[Any]:
    """The other way round."""
    if isinstance(column.type, String):
        return text
    if isinstance(column.type, JSONB):
        return cast(text, JSONB)
    elements = func.jsonb_array_elements_text(cast(text, JSONB)).column_valued("word")
    return func.array(select(elements).scalar_subquery())


def _patterns(words: Words, in_json: bool) -> Iterator[tuple[str, str, str]]:
    """What to look for (as PostgreSQL's regular expressions), what to put there, and how to look."""
    yield _word(_spelled(words.address)) + r"(?!-|\.[[:alnum:]])", NO_ADDRESS, "gi"
    for name in words.full:
        yield _word(_spelled(name)), FORMER, "gi"
    for name in words.single:
        yield rf"\mby {_spelled(name)}(?![[:alnum:]_])", f"by {FORMER}", "g"
        if in_json:
            yield f'"{_spelled(name)}"(?!:)', f'"{FORMER}"', "g"


def _spelled(name: str) -> str:
    """As it is, and as JSON has it, which also stands in columns of plain text."""
    spellings = {name, json.dumps(name, ensure_ascii=False)[1:-1], json.dumps(name)[1:-1]}
    return f"(?:{'|'.join(re.escape(one) for one in sorted(spellings))})"


def _word(pattern: str) -> str:
    # In JSON a new line is the two characters \\n, and that n is no part of the word behind it.
    return rf"(?:(?<![[:alnum:]_.+@-])|(?<=\\[bfnrt])){pattern}(?![[:alnum:]_@])"


def _rename(organization_id: UUID, words: Words) -> None:
    """ "Alice Example’s organization" is what we called the first one of hers, and its slug is made of that."""
    with transaction():
        row = organizations.locked(organization_id)
        theirs = [slug_from(f"{one}’s organization", "organization") for one in words.names]
        single = [one for one in words.single if row.name.startswith(f"{one}’s ")]
        if single:
            row.name = f"{FORMER[0].upper()}{FORMER[1:]}{row.name.removeprefix(single[0])}"
        if any(row.slug.startswith(one) for one in theirs):
            row.slug = f"organization-{organization_id.hex[-12:]}"


def _redact(organization_id: UUID, user_id: UUID, words: Words, now: datetime) -> None:
    """The words of what they did, and of what others did that names them, go out of the log; the chain stays."""
    said = func.concat_ws(
        " ", AuditEvent.by, AuditEvent.object_name, cast(AuditEvent.before, Text), cast(AuditEvent.after, Text)
    )
    named = [said.op("~*" if "i" in flags else "~")(pattern) for pattern, _, flags in _patterns(words, True)]
    theirs = or_(
        AuditEvent.by_id == user_id, AuditEvent.object_id == user_id, AuditEvent.object_name.in_(words.names), *named
    )
    mine = and_(
        AuditEvent.organization_id == organization_id,
        AuditEvent.by != audit.TAKEN_OUT,
        AuditEvent.what.not_in((chain.REDACTED, LEFT)),
    )
    while True:
        with transaction():
            found = db.session.execute(select(AuditEvent.id).where(mine, theirs).limit(AT_ONCE)).scalars().all()
            if found:
                audit.redact(found, organization_id, "A former member deleted their account.", now)
        if len(found) < AT_ONCE:
            return


# --- rows -------------------------------------------------------------------------------------------------------


def _let_files_go(user_id: UUID, now: datetime) -> None:
    """Their exports, and those of others in which they may be named."""
    concerned = select(AuditEvent.organization_id).where(AuditEvent.what == LEFT, AuditEvent.object_id == user_id)
    theirs = or_(Export.user_id == user_id, Export.organization_id.in_(concerned))
    with transaction():
        changed(update(Export).where(theirs, Export.status == "done", Export.key != "").values(expires_at=now))
    while exports.forget(now) == exports.FORGOTTEN_AT_ONCE:
        pass


def _forget_rows(user_id: UUID, email: str) -> None:
    addresses: Collection[str] = {email, email.lower()}
    with transaction():
        db.session.execute(delete(Letter).where(func.lower(Letter.to_address).in_(addresses)))
        db.session.execute(delete(SignInLink).where(SignInLink.email.in_(addresses)))
        db.session.execute(delete(Invitation).where(Invitation.email.in_(addresses)))
        presets.hand_on(user_id)
        db.session.execute(delete(User).where(User.id == user_id))
