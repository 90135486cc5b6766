"""The list of invitations: what the address asks for, and all that its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from tokiflow.core import ids
from tokiflow.core.roles import Role, manages
from tokiflow.queries import invitations
from tokiflow.queries.invitations import Listed
from tokiflow.services.invitations import SENDER
from tokiflow.web import filters

ROWS = 50
WORDS = {
    "waiting": "Waiting",
    "failed": "Mail failed",
    "accepted": "Accepted",
    "declined": "Declined",
    "withdrawn": "Withdrawn",
    "expired": "Expired",
}
SHAPES = {
    "waiting": "new", "failed": "down", "accepted": "up", "declined": "paused", "withdrawn": "paused", "expired": "late"
}  # fmt: skip
_OPEN = ("waiting", "failed", "expired")

Chip = tuple[str, str, int | None, bool, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One invitation as the page shows it. `more` says what its state means; `open`: it can be sent again and
    withdrawn, by whoever looks."""

    id: str
    email: str
    role: str
    inviter: str
    sent_at: datetime
    at: datetime
    shape: str
    word: str
    more: str
    open: bool


@dataclass(frozen=True, slots=True)
class InvitationList:
    """The page. `older` is where it goes on, `first` the way back."""

    lede: str
    lines: Sequence[Line]
    states: Sequence[Chip]
    state: str
    words: str
    first: str | None
    older: str | None
    counted: str
    ever: bool


def read(organization_id: UUID, rank: Role, asked: Mapping[str, str], now: datetime) -> InvitationList:
    """The list as the address `asked` for it, for somebody of `rank`. A broken cursor raises Malformed."""
    state = asked.get("state", "") if asked.get("state") in WORDS else ""
    words, after = asked.get("q", "").replace("\x00", "").strip()[:200], asked.get("after", "")
    counts = invitations.count_by_state(organization_id, now, words)
    found = invitations.window(organization_id, now, state=state, words=words, after=after, limit=ROWS)
    total = counts[state] if state else sum(counts.values())
    chips: list[Chip] = [("All", _url("", words), sum(counts.values()), not state, "")]
    chips += [
        (WORDS[name], _url(name, words), counts[name], name == state, SHAPES[name])
        for name in WORDS
        if counts[name] or name == state
    ]
    return InvitationList(
        lede=_lede(counts) if not words else "",
        lines=[_line(one, rank) for one in found.items],
        states=chips,
        state=state,
        words=words,
        first=_url(state, words) if after else None,
        older=_url(state, words, found.next) if found.next else None,
        counted=f"{filters.number(len(found.items))} of {filters.count(total, 'invitation')}" if found.next else "",
        ever=bool(words or state or after or sum(counts.values())),
    )


def _lede(counts: Mapping[str, int]) -> str:
    waiting, failed = counts["waiting"], counts["failed"]
    sentences = [
        f"{filters.spelled(waiting)} {'waits' if waiting == 1 else 'wait'} for an answer." if waiting else "",
        f"{filters.spelled(failed)} did not arrive." if failed else "",
    ]
    return " ".join(filter(None, sentences)) or "Nobody is waited for."


def _line(one: Listed, rank: Role) -> Line:
    row = one.invitation
    at = {"accepted": row.accepted_at, "declined": row.declined_at, "withdrawn": row.withdrawn_at}.get(one.state)
    return Line(
        id=ids.public("inv", row.id),
        email=row.email,
        role=row.role,
        inviter=one.inviter,
        sent_at=row.sent_at,
        at=at or row.expires_at,
        shape=SHAPES[one.state],
        word=WORDS[one.state],
        more=_more(one),
        open=one.state in _OPEN and Role(row.role) in manages(rank),
    )


def _more(one: Listed) -> str:
    """What is to be known of its mail, or of its end."""
    if one.state == "withdrawn" and one.invitation.withdrawn_because:
        why = SENDER[one.invitation.withdrawn_because]
        return f"{why[:1].upper()}{why[1:]}"
    if one.state == "failed":
        return one.trouble
    if one.state != "waiting" or one.mail != "pending":
        return ""
    return (
        f"The mail did not go out yet, and is tried again: {one.trouble}" if one.trouble else "Its mail is on its way"
    )


def _url(state: str, words: str, after: str | None = None) -> str:
    """The address of a view, without what goes without saying."""
    return url_for("invitations.index", state=state or None, q=words or None, after=after)
