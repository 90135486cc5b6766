"""What a ping says: start, success, fail or log, and the numbers it carries."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from tokiflow.core import ansi


class Signal(StrEnum):
    START = "start"
    SUCCESS = "success"
    FAIL = "fail"
    LOG = "log"

    @property
    def finishes(self) -> bool:
        """Whether it ends a run."""
        return self in (Signal.SUCCESS, Signal.FAIL)


@dataclass(frozen=True)
class Progress:
    """How far a long job says it is: `percent` 0–100, or step `step` of `total`, called `name`."""

    percent: float | None = None
    step: int | None = None
    total: int | None = None
    name: str = ""

    @property
    def fraction(self) -> float | None:
        """0.0–1.0, from the percentage or else from the steps; None when neither tells."""
        if self.percent is not None:
            return self.percent / 100
        if self.step is not None and self.total:
            return min(self.step / self.total, 1.0)
        return None


class Ping(NamedTuple):
    """One received signal, as the job sent it. Durations in milliseconds, `at` in aware UTC.

    `body` holds at most the stored part (head and tail); `body_size` is how many bytes came, `body_cut` the
    offset within `body` where bytes were left out, or None when all are there.
    """

    signal: Signal
    at: datetime
    rid: UUID | None = None
    exit_code: int | None = None
    duration_ms: int | None = None
    environment: str = ""
    message: str = ""
    progress: Progress | None = None
    metrics: Mapping[str, float] = MappingProxyType({})
    body: bytes = b""
    body_size: int = 0
    body_cut: int | None = None
    method: str = "GET"
    source: str = ""
    user_agent: str = ""


def fingerprint(ping: Ping) -> str:
    """What a ping says beside its signal, in 32 hex digits: the same for a retry, and for nothing else."""
    said = repr((ping.message, ping.progress, sorted(ping.metrics.items()), ping.exit_code, ping.body_size))
    return hashlib.blake2b(said.encode() + ping.body, digest_size=16).hexdigest()


def tail(ping: Ping, most: int) -> str:
    """The end of its output as a terminal would show it, without colours; at most `most` bytes of it."""
    return "\n".join(ansi.plain(line) for line in ansi.lines(ping.body[-most:].decode("utf-8", "replace")))


def decide(state: str | None, exit_code: int | None) -> Signal:
    """The signal of a ping that names `state` and `exit_code`, either of which may be absent.

    An exit code other than 0 turns a success into a fail; it never turns a fail into a success.
    Raises ValueError for an unknown state.
    """
    signal = Signal(state) if state else Signal.SUCCESS
    if signal is Signal.SUCCESS and exit_code:
        return Signal.FAIL
    return signal


def parse_exit_code(text: str) -> int:
    """0–255. Raises ValueError with what to write instead."""
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or int(text) > 255:
        raise ValueError("bad exit code: write a whole number from 0 to 255")
    return int(text)


LONGEST_MS = 366 * 86_400_000


def parse_duration_ms(text: str) -> int:
    """Milliseconds ≥ 0, at most 366 days; fractions are rounded. Raises ValueError with what to write."""
    value = _number(text)
    if value is None or not 0 <= value <= LONGEST_MS:
        raise ValueError("bad durationMs: write milliseconds, a number from 0 to 31622400000")
    return round(value)


def parse_progress(percent: str | None, step: str | None, total: str | None, name: str | None) -> Progress | None:
    """The progress these four say together, or None if they say nothing. Raises ValueError."""
    if percent is None and step is None and not name:
        return None
    return Progress(
        percent=_between(percent, "progress", 0, 100),
        step=_whole(step, "step"),
        total=_whole(total, "total"),
        name=(name or "")[:200],
    )


MOST_METRICS = 50


def parse_metrics(texts: list[str]) -> dict[str, float]:
    """`["count:8000"]` → `{"count": 8000.0}`. Names are 1–100 characters. Raises ValueError."""
    metrics: dict[str, float] = {}
    for text in texts:
        name, colon, number = text.rpartition(":")
        value = _number(number)
        if not colon or not name.strip() or len(name) > 100 or value is None:
            raise ValueError("bad metric: write name:value, like metric=count:8000")
        metrics[name.strip()] = value
    if len(metrics) > MOST_METRICS:
        raise ValueError(f"too many metrics: send at most {MOST_METRICS} names a ping")
    return metrics


def _number(text: str) -> float | None:
    if len(text) > 40 or not text.isascii() or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _between(text: str | None, name: str, low: float, high: float) -> float | None:
    if text is None:
        return None
    value = _number(text)
    if value is None or not low <= value <= high:
        raise ValueError(f"bad {name}: write a number from {low} to {high}")
    return value


def _whole(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError(f"bad {name}: write a whole number, 0 or more")
    return int(text)
