"""How much is sent at once to a host, and when one that does not answer is left alone.

    answers ──(SILENT_IN_A_ROW tries without any answer)──▶ left alone ──(one answer)──▶ answers

While it is left alone, one try at a time shows whether it is back, and waits grow from FIRST_PAUSE to LONGEST_PAUSE.
Any answer counts, a refusal too: whoever says "500" is there. What one organization's addresses do to a host that many
share must not silence the others: until a second one has waited in vain, only the first is made to wait.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FIRST_WIDTH = 16
"""So many are sent at once to a host of which nothing is known yet."""
MOST_WIDTH = 96
SLOW = timedelta(seconds=2)
"""Whoever takes longer is not sent more at once than a stranger: each waits in a place that others could use."""

SILENT_IN_A_ROW = 5
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=5)
PROBE_EVERY = timedelta(seconds=10)


@dataclass(frozen=True)
class Host:
    """What is known of a host. `silent` tries in a row had no answer, the last at `silent_at`; after `pauses` pauses it
    is left alone until `alone_until`. `waited` are the first organizations that waited in vain."""

    width: int = FIRST_WIDTH
    silent: int = 0
    silent_at: datetime | None = None
    pauses: int = 0
    alone_until: datetime | None = None
    waited: tuple[Hashable, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether it is left alone."""
        return self.alone_until is not None


UNKNOWN = Host()


def answered(host: Host, took: timedelta) -> Host:
    """It has answered after `took`, whatever it said."""
    if host.silent:
        return Host()
    if took > SLOW:
        return replace(host, width=min(host.width, FIRST_WIDTH))
    return replace(host, width=min(host.width + 1, MOST_WIDTH))


def silent(host: Host, whose: Hashable, at: datetime, jitter: float) -> Host:
    """A try of the organization `whose` had no answer. `jitter` (0–1) spreads the pauses of many processes.

    Tries that were under way together count as one reason to pause.
    """
    waited = host.waited if whose in host.waited or len(host.waited) > 1 else (*host.waited, whose)
    host = replace(host, width=max(1, host.width // 2), silent=host.silent + 1, silent_at=at, waited=waited)
    if host.silent < SILENT_IN_A_ROW or (host.alone_until and at < host.alone_until):
        return host
    pause = min(FIRST_PAUSE * 2.0 ** min(host.pauses, 20), LONGEST_PAUSE) * (1 + jitter / 10)
    return replace(host, pauses=host.pauses + 1, alone_until=at + pause)


def left_alone(host: Host, whose: Hashable, under_way: int, now: datetime) -> bool:
    """Whether nothing of `whose` is to be sent there now, because nobody would answer."""
    if not host.alone or (whose not in host.waited and len(host.waited) == 1):
        return False
    probed = host.silent_at is not None and now < host.silent_at + PROBE_EVERY
    return probed or under_way > 0


def room(host: Host, under_way: int) -> bool:
    """Whether one more may be sent there, where `under_way` are being sent."""
    return under_way < host.width
