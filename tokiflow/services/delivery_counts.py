"""What all workers together have sent, how often they tried, and how long it took: the counts behind `/metrics`.

A worker counts in its own memory and adds that to a hash in Redis every two seconds, so that whichever process is asked
tells of all of them, on every machine. Redis away: it is added later. Redis wiped: the counts begin anew at nothing, as
any counter of a restarted process does. A worker that is killed takes two seconds of counts with it, and no delivery.

Fields of the hash, `what:kind[:more]`, where `kind` is a kind of channel:

    delivery:slack:sent|dead    attempt:slack:ok|refused|silent    lag:slack:<bound>    lag_sum:slack
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from tokiflow import queue
from tokiflow.core import ids, lags

if TYPE_CHECKING:
    from tokiflow.services.claims import Claimed
    from tokiflow.services.tries import Result

log = structlog.get_logger()

KEY = "tokiflow-deliveries"
EVERY = timedelta(seconds=2)
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, float("inf"))
"""The upper bounds of the histogram of lags, in seconds."""

_lock = threading.Lock()
_counted: Counter[str] = Counter()
_seconds: dict[str, float] = {}


@dataclass
class Counts:
    """By kind of channel and result: deliveries that are over, and tries; by kind: how many were sent within each of
    `BOUNDS` (and not within the one before), and the seconds they took together."""

    deliveries: dict[tuple[str, str], int] = field(default_factory=dict)
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    lags: dict[str, list[int]] = field(default_factory=dict)
    lag_seconds: dict[str, float] = field(default_factory=dict)


def count(made: Iterable[tuple[Claimed, Result]], ends: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Count these tries, which ended as `ends` say (services.tries). Tests that people send are left out."""
    with _lock:
        for (one, result), end in zip(made, ends, strict=True):
            if one.alert_kind == "test":
                continue
            _counted[f"attempt:{one.channel_kind}:{_outcome(result)}"] += 1
            if end["status"] in ("sent", "dead"):
                _counted[f"delivery:{one.channel_kind}:{end['status']}"] += 1
            if result.error is None:
                took = lags.lag(one.about, ids.made_at(one.id), now).total_seconds()
                _counted[f"lag:{one.channel_kind}:{BOUNDS[bisect_left(BOUNDS, took)]}"] += 1
                _seconds[one.channel_kind] = _seconds.get(one.channel_kind, 0.0) + took


def save() -> None:
    """Add what this process has counted to what all have. Later, if Redis is away. Wants an app context."""
    with _lock:
        counted, seconds = dict(_counted), dict(_seconds)
        _counted.clear()
        _seconds.clear()
    if not counted:
        return
    try:
        with queue.connection().pipeline(transaction=True) as pipe:
            for name, number in counted.items():
                pipe.hincrby(KEY, name, number)
            for kind, total in seconds.items():
                pipe.hincrbyfloat(KEY, f"lag_sum:{kind}", total)
            pipe.execute()
    except RedisError as error:
        log.warning("counts_cannot_be_saved", error=type(error).__name__)
        _put_back(counted, seconds)


def read() -> Counts:
    """What all workers have counted. Raises RedisError. Wants an app context."""
    found = Counts()
    for name, raw in queue.connection().hgetall(KEY).items():
        what, kind, *more = (name.decode() if isinstance(name, bytes) else name).split(":")
        if what == "delivery":
            found.deliveries[kind, more[0]] = int(raw)
        elif what == "attempt":
            found.attempts[kind, more[0]] = int(raw)
        elif what == "lag_sum":
            found.lag_seconds[kind] = float(raw)
        elif what == "lag" and float(more[0]) in BOUNDS:
            found.lags.setdefault(kind, [0] * len(BOUNDS))[BOUNDS.index(float(more[0]))] = int(raw)
    return found


def keep_saving(scope: Callable[[], AbstractContextManager[object]]) -> Callable[[], None]:
    """Save every two seconds from a daemon thread, inside `scope()` (an app context). Call the answer to stop; it saves
    a last time."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(EVERY.total_seconds()):
            with scope():
                save()

    def end() -> None:
        stop.set()
        with scope():
            save()

    threading.Thread(target=loop, name="delivery-counts", daemon=True).start()
    return end


def _outcome(result: Result) -> str:
    if result.error is None:
        return "ok"
    return "silent" if result.error.unreachable else "refused"


def _put_back(counted: Mapping[str, int], seconds: Mapping[str, float]) -> None:
    with _lock:
        _counted.update(counted)
        for kind, total in seconds.items():
            _seconds[kind] = _seconds.get(kind, 0.0) + total
