"""The list of API keys as templates get it: rows, and the filters that live in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for
from werkzeug.datastructures import MultiDict

from tokiflow.core import ids
from tokiflow.queries import api_keys
from tokiflow.queries.api_keys import WORKING, Listed, State
from tokiflow.web import filters, usage_chart

PAGE = 50
SHAPES = {
    State.ACTIVE: ("up", "Active"),
    State.EXPIRING: ("late", "Ends soon"),
    State.REPLACED: ("late", "Replaced"),
    State.EXPIRED: ("paused", "Expired"),
    State.REVOKED: ("paused", "Revoked"),
}
"""By state: the shape and the word for it."""


@dataclass(frozen=True)
class Row:
    """A key in a list, or on its page."""

    id: str
    url: str
    one: Listed
    shape: str
    word: str
    chart: usage_chart.Usage
    replacement: str = ""

    @property
    def works(self) -> bool:
        """Whether calls with it are answered."""
        return self.one.state in WORKING


def row(one: Listed, calls: Sequence[int], now: datetime) -> Row:
    """`one` as templates want it."""
    public = ids.public("key", one.key.id)
    shape, word = SHAPES[one.state]
    following = ids.public("key", one.replacement.id) if one.replacement else ""
    return Row(
        id=public,
        url=url_for("api_keys.show", key_id=public),
        one=one,
        shape=shape,
        word=word,
        chart=usage_chart.usage(calls, now),
        replacement=url_for("api_keys.show", key_id=following) if following else "",
    )


Chip = tuple[str, str, int | None, bool, str]


@dataclass(frozen=True)
class List:
    """One page of the list, with all that stands around it."""

    rows: Sequence[Row]
    q: str
    state: str
    all: int
    ending: int
    chips: Sequence[Chip]
    words: str
    previous: str | None
    next: str | None


def read(organization_id: UUID, query: MultiDict[str, str], now: datetime) -> List:
    """The page that the URL asks for; what it says wrongly is as if it had not been said."""
    q = " ".join(query.get("q", "").replace("\x00", "").encode("utf-8", "ignore").decode().split())[:200]
    state = query.get("state", "") if query.get("state") in {*State, "working"} else ""
    states = tuple(State) if not state else WORKING if state == "working" else (State(state),)
    counts = api_keys.counts(organization_id, q, now)
    total = sum(counts[one] for one in states)
    last = max(1, -(-total // PAGE))
    page = min(_number(query.get("page", "")), last)
    start = (page - 1) * PAGE
    found = api_keys.page(organization_id, q, states, now, offset=start, limit=PAGE)
    calls = api_keys.uses([one.key.id for one in found], now)

    def url(**changes: str | int) -> str:
        said = {"q": q, "state": state} | changes
        return url_for("api_keys.index", **{name: value for name, value in said.items() if value not in ("", 1)})  # type: ignore[arg-type]

    return List(
        rows=[row(one, calls[one.key.id], now) for one in found],
        q=q,
        state=state,
        all=sum(counts.values()),
        ending=counts[State.EXPIRING],
        chips=_chips(state, counts, {one: url(state=one) for one in ("", "working", *State)}),
        words=_range(start, len(found), total),
        previous=url(page=page - 1) if page > 1 else None,
        next=url(page=page + 1) if page < last else None,
    )


def _chips(chosen: str, counts: Mapping[State, int], urls: Mapping[str, str]) -> list[Chip]:
    working = sum(counts[one] for one in WORKING)
    first: list[Chip] = [
        ("All", urls[""], sum(counts.values()), chosen == "", ""),
        ("Working", urls["working"], working, chosen == "working", ""),
    ]
    return first + [
        (SHAPES[one][1], urls[one], counts[one], chosen == one, SHAPES[one][0])
        for one in State
        if one is not State.ACTIVE and (counts[one] or chosen == one)
    ]


def _range(start: int, shown: int, total: int) -> str:
    if shown == total:
        return filters.count(total, "key") if total else ""
    return f"{filters.number(start + 1)}–{filters.number(start + shown)} of {filters.count(total, 'key')}"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) else 1
