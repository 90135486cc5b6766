"""The stretch of time that a page is asked to show, which lives in its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from werkzeug.datastructures import MultiDict

from tokiflow.core import ids
from tokiflow.core.schedule.runs import period_seconds
from tokiflow.models import Monitor
from tokiflow.queries.analytics import PERIODS, Period
from tokiflow.web import address, monitor_list

USUAL, LONG = "30d", "1y"
SELDOM = 3 * 86_400
"""A job that runs so seldom shows a year, unless asked for something else."""

_WORDS = {"24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d", "1y": "1 y"}


@dataclass(frozen=True)
class Link:
    """A period to choose: `title` is the same in full words."""

    words: str
    title: str
    url: str
    current: bool


@dataclass(frozen=True)
class Asked:
    """What the address asks for: a period, and whether to show its chart as a table too. `query` is the same again."""

    period: Period
    links: Sequence[Link]
    table: bool
    query: dict[str, str]

    @property
    def words(self) -> str:
        """`the last 30 days`, `the last year`."""
        return f"the last {self.period.words.removeprefix('a ')}"


def asked(arguments: MultiDict[str, str], monitor: Monitor, endpoint: str, now: datetime) -> Asked:
    """What `arguments` ask for; what makes no sense there is as if nothing had been asked."""
    seldom = period_seconds(monitor_list.schedule_of(monitor), now) > SELDOM
    usual = LONG if seldom else USUAL
    said = address.one(arguments, "period")
    period = PERIODS.get(said, PERIODS[usual])
    table = address.one(arguments, "table") == "yes"
    public_id = ids.public("mon", monitor.id)
    links = [
        Link(
            _WORDS[name],
            one.words,
            url_for(endpoint, monitor_id=public_id, period=name, table="yes" if table else None),
            one is period,
        )
        for name, one in PERIODS.items()
    ]
    query = {"period": period.name} if said in PERIODS else {}
    return Asked(period, links, table, {**query, **({"table": "yes"} if table else {})})
