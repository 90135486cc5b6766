"""Who may use the places in which a worker sends side by side, so that nobody's trouble takes them all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeVar
from uuid import UUID

from tokiflow.core import breaker
from tokiflow.core.breaker import UNKNOWN, Host

SLOTS = 128
SHARE = 0.75
"""Of the places that the others leave, an organization may take so much: the first 96, the second 24, the third 6 …"""

REMEMBERED = 10_000

T = TypeVar("T")


class Ruling(Enum):
    """What to do with a delivery whose turn it is."""

    SEND = auto()
    FULL = auto()
    """Its organization or host has its share of places already: later."""
    LEFT_ALONE = auto()
    """Its host does not answer: much later."""


class Slots:
    """The places of one process: whose they are, and what is known of the hosts. For one thread."""

    def __init__(self, total: int = SLOTS) -> None:
        self.total = total
        self.hosts: dict[str, Host] = {}
        self._by_organization: Counter[UUID] = Counter()
        self._by_host: Counter[str] = Counter()
        self._channels: dict[str, set[UUID]] = {}
        """By host that is full: the channels known to lead there."""

    @property
    def free(self) -> int:
        return self.total - self._by_organization.total()

    def ask(self, organization_id: UUID, channel_id: UUID, host: str, now: datetime) -> Ruling:
        """Whether one more delivery of this organization may be sent there now."""
        known, under_way = self.hosts.get(host, UNKNOWN), self._by_host[host]
        if breaker.left_alone(known, organization_id, under_way, now):
            return Ruling.LEFT_ALONE
        if not breaker.room(known, under_way):
            if sum(map(len, self._channels.values())) < REMEMBERED:
                self._channels.setdefault(host, set()).add(channel_id)
            return Ruling.FULL
        return Ruling.SEND if self._fits(organization_id) else Ruling.FULL

    def take(self, organization_id: UUID, host: str) -> None:
        """A delivery is on its way."""
        self._by_organization[organization_id] += 1
        self._by_host[host] += 1

    def give_back(self, organization_id: UUID, host: str) -> None:
        """It is not any more."""
        _take_away(self._by_organization, organization_id)
        _take_away(self._by_host, host)

    def answered(self, host: str, took: timedelta) -> bool:
        """`host` has answered. Whether that is news, because it was left alone."""
        before = self.hosts.get(host, UNKNOWN)
        self.hosts[host] = breaker.answered(before, took)
        if len(self.hosts) > REMEMBERED:
            self.hosts = {name: one for name, one in self.hosts.items() if one.silent or self._by_host[name]}
        return before.alone

    def silent(self, host: str, organization_id: UUID, now: datetime, jitter: float) -> None:
        """`host` has not answered."""
        self.hosts[host] = breaker.silent(self.hosts.get(host, UNKNOWN), organization_id, now, jitter)

    def full_organizations(self) -> list[UUID]:
        """Those that have their share already."""
        return [one for one in self._by_organization if not self._fits(one)]

    def full_channels(self) -> Sequence[UUID]:
        """The channels known to lead to a host to which no more can be sent at once."""
        self._channels = {
            host: channels
            for host, channels in self._channels.items()
            if not breaker.room(self.hosts.get(host, UNKNOWN), self._by_host[host])
        }
        return [channel_id for channels in self._channels.values() for channel_id in channels]

    def _fits(self, organization_id: UUID) -> bool:
        mine = self._by_organization[organization_id]
        left_by_others = self.free + mine
        return mine < min(left_by_others, max(1, math.ceil(SHARE * left_by_others)))


def _take_away(counter: Counter[T], one: T) -> None:
    """One less, and nothing is left of what comes to nothing."""
    if counter[one] > 1:
        counter[one] -= 1
    else:
        del counter[one]
