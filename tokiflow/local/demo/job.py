"""What there is to say of a job of the demo, and of the trouble it was in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86_400


class Ending(StrEnum):
    """How a job stands when the history ends."""

    WELL = "well"
    MISSED = "missed"
    FAILED = "failed"
    LATE = "late"
    PAUSED = "paused"
    NEW = "new"
    RUNNING = "running"
    UNUSUAL = "unusual"


@dataclass(frozen=True)
class Deed:
    """What a person did about a trouble: when, as a share (0–1) of its length, who, and the words of a comment.

    Without words it is the acknowledgement.
    """

    share: float
    who: str
    words: str = ""


@dataclass(frozen=True)
class Trouble:
    """`runs` runs in a row that went wrong, `days` ago: failed, missed or overrun."""

    days: float
    kind: str
    runs: int = 1
    exit_code: int = 1
    output: str = ""
    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True)
class Job:
    """One monitor and its character. `seconds` is the usual run time, `spread` the sigma of its logarithm."""

    name: str
    description: str
    tags: tuple[str, ...]
    schedule: Mapping[str, Any]
    seconds: float
    grace: int = 5 * MINUTE
    max_runtime: int = HOUR
    spread: float = 0.18
    starts: bool = False
    output: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    ending: Ending = Ending.WELL


def every(seconds: int) -> dict[str, Any]:
    """A schedule, as the API writes it."""
    return {"kind": "every", "seconds": seconds}


def cron(expression: str, timezone: str = "Europe/Berlin") -> dict[str, Any]:
    """A schedule, as the API writes it."""
    return {"kind": "cron", "expression": expression, "timezone": timezone}


def calendar(expression: str, timezone: str = "Europe/Berlin") -> dict[str, Any]:
    """A schedule, as the API writes it."""
    return {"kind": "calendar", "expression": expression, "timezone": timezone}
