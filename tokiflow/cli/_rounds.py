"""The rounds of the clock: what it rings for and forgets, and how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tokiflow.services import (
    api_key_letters,
    audit_walks,
    calendars,
    deliveries,
    erasures,
    exports,
    heartbeats,
    invitations,
    letters,
    maintenance,
    organizations,
    outputs,
    people,
    retention,
    sessions,
    sign_in,
    sign_in_letters,
)

ROUNDS: dict[timedelta, tuple[Callable[[datetime], object], ...]] = {
    timedelta(seconds=1): (deliveries.ring, sign_in_letters.ring, letters.ring),
    timedelta(seconds=5): (outputs.ring, erasures.ring, exports.ring, calendars.ring, people.ring),
    timedelta(minutes=10): (
        heartbeats.forget,
        sign_in.forget,
        letters.forget,
        invitations.forget,
        sessions.forget,
        maintenance.forget,
        lambda _: audit_walks.ring(),
        organizations.ring,
    ),
    timedelta(hours=1): (api_key_letters.warn, lambda _: retention.ring()),
}
"""By how often: whom to call with the time."""


class Rounds:
    """When each was made last. At first all of them are due."""

    def __init__(self) -> None:
        self._made = dict.fromkeys(ROUNDS, datetime.min.replace(tzinfo=UTC))

    def make(self, now: datetime) -> None:
        """Make those that are due. One that fails is made again only when it is due again."""
        for every, calls in ROUNDS.items():
            if now - self._made[every] >= every:
                self._made[every] = now
                for call in calls:
                    call(now)
