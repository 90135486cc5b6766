"""The list of members as templates get it: rows, and the filters that live in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for
from werkzeug.datastructures import MultiDict

from tokiflow.core import ids
from tokiflow.core.roles import Right, Role, allows, manages
from tokiflow.models import Membership
from tokiflow.queries import memberships
from tokiflow.web import filters

PAGE = 50

Chip = tuple[str, str, int | None, bool, str]


@dataclass(frozen=True)
class Wanted:
    """What the URL asks for."""

    words: str = ""
    role: Role | None = None
    page: int = 1

    @property
    def narrowed(self) -> bool:
        """Whether anybody is left out."""
        return bool(self.words or self.role)

    def url(self, **changes: str | int | None) -> str:
        """The list's address with `changes`. Any change leads to the first page."""
        said = {"q": self.words, "role": self.role and str(self.role), "page": None} | changes
        query = {name: str(value) for name, value in said.items() if value not in (None, "", 1)}
        return url_for("members.index", **query)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Row:
    """A member in the list. `last_seen` is None for those who may not know it."""

    id: str
    name: str
    email: str
    role: str
    since: datetime
    last_seen: datetime | None
    me: bool
    editable: bool


@dataclass(frozen=True)
class List:
    """One page of the list, with all that stands around it."""

    wanted: Wanted
    rows: Sequence[Row]
    all: int
    roles: Sequence[Chip]
    words: str
    previous: str | None
    next: str | None


def wanted(query: MultiDict[str, str]) -> Wanted:
    """What a URL asks for; what it says wrongly is as if it had not been said."""
    role, page = query.get("role", ""), query.get("page", "")
    return Wanted(
        words=" ".join(query.get("q", "").replace("\x00", "").split())[:200],
        role=Role(role) if role in list(Role) else None,
        page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 and int(page) else 1,
    )


def read(organization_id: UUID, asked: Wanted, mine: Membership) -> List:
    """The page that `asked` wants, as whoever has the membership `mine` may see it."""
    counts = memberships.count_by_role(organization_id, asked.words)
    total = counts[asked.role] if asked.role else sum(counts.values())
    last = max(1, -(-total // PAGE))
    page = min(asked.page, last)
    start = (page - 1) * PAGE
    found = memberships.page(organization_id, memberships.Filter(asked.words, asked.role), start, PAGE)
    return List(
        wanted=asked,
        rows=[_row(one, mine) for one in found],
        all=sum(counts.values()),
        roles=_chips(asked, counts),
        words=_range(start, len(found), total),
        previous=asked.url(page=page - 1) if page > 1 else None,
        next=asked.url(page=page + 1) if page < last else None,
    )


def _row(one: Membership, mine: Membership) -> Row:
    admin = allows(mine.rank, Right.EDIT_MEMBERS)
    return Row(
        id=ids.public("usr", one.user_id),
        name=one.user.name,
        email=one.user.email,
        role=one.role,
        since=one.created_at,
        last_seen=one.user.last_signed_in_at if admin else None,
        me=one.user_id == mine.user_id,
        editable=one.rank in manages(mine.rank),
    )


def _chips(asked: Wanted, counts: Mapping[Role, int]) -> Sequence[Chip]:
    everybody = ("All", asked.url(role=None), sum(counts.values()), asked.role is None, "")
    return [everybody] + [
        (f"{role.capitalize()}s", asked.url(role=str(role)), counts[role], asked.role is role, "")
        for role in Role
        if counts[role] or asked.role is role
    ]


def _range(start: int, shown: int, total: int) -> str:
    if not shown:
        return ""
    if shown == total:
        return filters.count(total, "member")
    return f"{filters.number(start + 1)}–{filters.number(start + shown)} of {filters.count(total, 'member')}"
