"""A channel as pages show it: what it is, where it leads, whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tokiflow import channels
from tokiflow.core import durations, ids
from tokiflow.models import Channel, SlackInstallation
from tokiflow.web import trials


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """What a row or a page about one channel needs. `arrived` and `over` count its latest deliveries."""

    id: str
    name: str
    kind: str
    title: str
    icon: str
    where: str
    enabled: bool
    reason: str
    last_delivery_at: datetime | None
    last_error: str
    version: int
    arrived: int
    over: int

    @property
    def mark(self) -> str:
        """Its status as a shape: what Tokiflow had to disable is trouble, what a person disabled is rest."""
        if self.enabled:
            return "late" if self.last_error else "up"
        return "down" if self.reason else "paused"

    @property
    def word(self) -> str:
        if not self.enabled:
            return "Disabled"
        return "Failing" if self.last_error else "Enabled"

    @property
    def place(self) -> str:
        """What it is and where it leads: "E-mail, alice@harbour.example"."""
        return self.where if self.where.startswith(self.title) else f"{self.title}, {self.where}"

    @property
    def rate(self) -> float | None:
        """The share of its latest deliveries that arrived; None before the first."""
        return self.arrived / self.over if self.over else None


def of(channel: Channel, outcomes: Sequence[str]) -> ChannelRow:
    """The row of `channel`; `outcomes` are the statuses of its latest deliveries that are over."""
    return ChannelRow(
        id=ids.public("chn", channel.id),
        name=channel.name,
        kind=channel.kind,
        title=channels.get(channel.kind).title,
        icon=trials.icon(channel.kind),
        where=trials.where(channel),
        enabled=channel.enabled,
        reason=channel.disabled_reason,
        last_delivery_at=channel.last_delivery_at,
        last_error=channel.last_error,
        version=channel.version,
        arrived=outcomes.count("sent"),
        over=len(outcomes),
    )


def settings(channel: Channel) -> list[tuple[str, str]]:
    """What is set up, in words and without secrets, beyond where it leads."""
    return channels.get(channel.kind).facts(channel.config)


def many(channel: Channel) -> list[tuple[str, str]]:
    """What becomes of many messages at once, in words."""
    within = durations.long(channel.group_window_seconds)
    together = f"{channel.group_after} alone in {within}, the rest in one message"
    found = [("In a storm", together if channel.group_after else "each on its own")]
    if channel.rate_per_hour:
        found.append(("At most", f"{channel.rate_per_hour:,} an hour; the rest together"))
    return found


def workspaces(rows: Sequence[SlackInstallation]) -> list[tuple[str, SlackInstallation]]:
    """Slack workspaces, each with its public id."""
    return [(ids.public("slk", row.id), row) for row in rows]
