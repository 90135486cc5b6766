"""The page of what was given up: what the address asks for, and all that its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import url_for

from tokiflow.core import ids
from tokiflow.models import Channel
from tokiflow.queries import channels, undelivered
from tokiflow.queries.undelivered import Filter, Group, Lost
from tokiflow.web import channel_rows, filters, trials
from tokiflow.web.channel_rows import ChannelRow
from tokiflow.web.incident_list import Chip
from tokiflow.web.trials import Try

ROWS = 50
NEWEST = 5
"""So many of each channel are shown where all channels are."""
CHANNELS = 20
PERIODS = {
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}
PLACES = ("channel", "period", "after", "before")


@dataclass(frozen=True, slots=True)
class LostRow:
    """One message that never arrived. `over` is when its incident ended, if it has."""

    id: str
    about: str
    href: str
    promised_at: datetime
    over: datetime | None
    tries: int
    last: Try | None
    error: str


@dataclass(frozen=True, slots=True)
class LostGroup:
    """What one channel never got: how many, since when, what the other side last said, and rows of it."""

    channel: ChannelRow
    number: int
    first_at: datetime
    last_at: datetime
    answer: str
    rows: Sequence[LostRow]
    url: str

    @property
    def hidden(self) -> int:
        return self.number - len(self.rows)


@dataclass(frozen=True, slots=True)
class UndeliveredList:
    """The page. `action` is where its form goes; `more` counts the channels that it leaves out."""

    headline: str
    total: int
    groups: Sequence[LostGroup]
    channels: Sequence[Chip]
    periods: Sequence[Chip]
    narrowed: bool
    one_channel: bool
    more: int
    newer: str | None
    older: str | None
    action: str


def read(organization_id: UUID, asked: Mapping[str, str], now: datetime) -> UndeliveredList:
    """The page as the address `asked` for it. Words it doesn't know are ignored; a broken cursor raises Malformed."""
    known = channels.of_organization(organization_id)
    chosen = next((one for one in known if ids.public("chn", one.id) == asked.get("channel")), None)
    period = asked["period"] if asked.get("period") in PERIODS else ""
    choice = {"channel": ids.public("chn", chosen.id) if chosen else "", "period": period}
    wanted = Filter(chosen.id if chosen else None, since(asked, now))
    ever = undelivered.count(organization_id)
    counts = undelivered.count_by_channel(organization_id, wanted.since)
    found = undelivered.groups(organization_id, wanted, 0 if chosen else NEWEST, CHANNELS)
    newer = older = None
    if chosen:
        rows = undelivered.window(organization_id, wanted, asked.get("after"), asked.get("before"), ROWS)
        found = [Group(one.channel, one.number, one.first_at, one.last_at, rows.items) for one in found]
        newer = _url(choice | {"before": rows.newer}) if rows.newer else None
        older = _url(choice | {"after": rows.older}) if rows.older else None
    return UndeliveredList(
        headline=_headline(ever),
        total=ever,
        groups=[_group(one, choice) for one in found],
        channels=_channel_chips(known, counts, choice),
        periods=_period_chips(choice),
        narrowed=bool(chosen or period),
        one_channel=chosen is not None,
        more=0 if chosen else len(counts) - len(found),
        newer=newer,
        older=older,
        action=_url({name: asked[name] for name in PLACES if asked.get(name)}, "undelivered.send_again"),
    )


def since(asked: Mapping[str, str], now: datetime) -> datetime | None:
    """From when on the address asks for what was promised; None for whenever."""
    period = PERIODS.get(asked.get("period", ""))
    return now - period[1] if period else None


def address(asked: Mapping[str, str]) -> str:
    """The view that the address `asked` for, from its newest rows on: what stood there may be gone."""
    return _url({name: asked[name] for name in ("channel", "period") if asked.get(name)})


def _headline(total: int) -> str:
    if not total:
        return "Everything that was promised has arrived"
    return f"{filters.spelled(total)} message{'' if total == 1 else 's'} never arrived"


def _group(one: Group, choice: Mapping[str, str]) -> LostGroup:
    rows = [_row(lost) for lost in one.newest]
    return LostGroup(
        channel=channel_rows.of(one.channel, ()),
        number=one.number,
        first_at=one.first_at,
        last_at=one.last_at,
        answer=rows[0].error if rows else "",
        rows=rows,
        url=_url({**choice, "channel": ids.public("chn", one.channel.id)}),
    )


def _row(one: Lost) -> LostRow:
    about, href = trials.about(one.delivery.alert)
    return LostRow(
        id=ids.public("dlv", one.delivery.id),
        about=about,
        href=href,
        promised_at=one.delivery.created_at,
        over=one.resolved_at,
        tries=one.tries,
        last=trials.attempt(one.last) if one.last else None,
        error=one.delivery.last_error,
    )


def _channel_chips(known: Sequence[Channel], counts: Mapping[UUID, int], choice: Mapping[str, str]) -> list[Chip]:
    """Those with something undelivered, and the chosen one in any case."""
    chips: list[Chip] = [("Every channel", _url({**choice, "channel": ""}), None, not choice["channel"], "")]
    for one in known:
        public = ids.public("chn", one.id)
        if one.id in counts or public == choice["channel"]:
            url = _url({**choice, "channel": public})
            chips.append((one.name, url, counts.get(one.id, 0), public == choice["channel"], ""))
    return chips


def _period_chips(choice: Mapping[str, str]) -> list[Chip]:
    whenever: Chip = ("Whenever", _url({**choice, "period": ""}), None, not choice["period"], "")
    return [whenever] + [
        (words, _url({**choice, "period": name}), None, name == choice["period"], "")
        for name, (words, _) in PERIODS.items()
    ]


def _url(choice: Mapping[str, str], endpoint: str = "undelivered.index") -> str:
    said: dict[str, Any] = {name: value for name, value in choice.items() if value}
    return url_for(endpoint, **said)
