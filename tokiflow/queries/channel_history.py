"""How a channel has done, by the day. Tests that people sent are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from tokiflow.core import ids, lags
from tokiflow.db import db


@dataclass(frozen=True)
class Tally:
    """What became of the alerts of a day, and the usual seconds from trouble to sent (the median; None without any)."""

    sent: int = 0
    lost: int = 0
    lag: float | None = None

    @property
    def over(self) -> int:
        return self.sent + self.lost


_BY_DAY = text("""
    with over as (
        select d.status, case when d.status = 'sent' then width_bucket(d.sent_at, cast(:starts as timestamptz[]))
                else width_bucket(d.created_at, cast(:starts as timestamptz[])) end as day,
            greatest(extract(epoch from d.sent_at - case when d.created_at - a.at > :held_back then d.created_at
                else a.at end), 0) as lag
        from deliveries d join alerts a on a.id = d.alert_id
        where d.channel_id = :channel_id and d.id >= :earliest and d.status in ('sent', 'dead') and a.kind <> 'test'
    )
    select day, count(*) filter (where status = 'sent') as sent, count(*) filter (where status = 'dead') as lost,
        percentile_cont(0.5) within group (order by lag) filter (where status = 'sent') as lag
    from over where day > 0 group by grouping sets ((day), ())
""")
"""Bounded by the id, which tells when it was made, so that the index on the channel's deliveries serves it."""


def by_day(channel_id: UUID, starts: Sequence[datetime]) -> tuple[Tally, list[Tally]]:
    """All together, and each of the days that begin at `starts`, the last of which goes on. One statement."""
    given = {
        "channel_id": channel_id,
        "starts": list(starts),
        "earliest": ids.earliest(starts[0]),
        "held_back": lags.HELD_BACK,
    }
    found = {row.day: Tally(row.sent, row.lost, _seconds(row.lag)) for row in db.session.execute(_BY_DAY, given)}
    return found.get(None, Tally()), [found.get(n, Tally()) for n in range(1, len(starts) + 1)]


def _seconds(lag: float | None) -> float | None:
    return None if lag is None else float(lag)
