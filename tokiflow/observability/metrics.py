"""`/metrics` for Prometheus.

What the system *is* (monitors, incidents, deliveries) is read from the database when somebody asks, so every web
process gives the same answer. What workers have sent is counted in Redis (services.delivery_counts), for all of them
together. What a web process *does* (requests, pings) is counted in the process; with PROMETHEUS_MULTIPROC_DIR set, the
counts of all processes of one machine are added up.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
from flask import Flask, Response, request

from tokiflow.settings import Settings

# prometheus_client decides at import where values live, and wants the folder to exist.
_SHARED = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
if _SHARED:
    Path(_SHARED).mkdir(parents=True, exist_ok=True)

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest  # noqa: E402
from prometheus_client.core import (  # noqa: E402
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: E402
from prometheus_client.utils import floatToGoString  # noqa: E402

log = structlog.get_logger()

Found = TypeVar("Found")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")

_process = CollectorRegistry()
_requests = Counter("tokiflow_http_requests", "Requests answered.", ["method", "route", "status"], registry=_process)
_seconds = Histogram(
    "tokiflow_http_request_seconds",
    "Time taken to answer a request.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=_process,
)
_answers = Counter(
    "tokiflow_ping_answers", "Pings by the status they were answered with.", ["status"], registry=_process
)


class Figures(Protocol):
    """What `tokiflow.queries.system.figures()` returns: the system at one moment. Ages are in seconds."""

    @property
    def monitors_by_status(self) -> Mapping[str, int]: ...
    @property
    def incidents_open_by_kind(self) -> Mapping[str, int]: ...
    @property
    def deliveries_pending(self) -> int: ...
    @property
    def deliveries_retrying(self) -> int: ...
    @property
    def deliveries_dead(self) -> int: ...
    @property
    def oldest_pending_delivery_seconds(self) -> float: ...
    @property
    def delivery_overdue_seconds(self) -> float: ...
    @property
    def hosts_left_alone(self) -> int: ...
    @property
    def heartbeat_age_seconds(self) -> Mapping[str, float]: ...
    @property
    def pings_total(self) -> int: ...


class Counts(Protocol):
    """What `tokiflow.services.delivery_counts.read()` returns: deliveries and tries by kind of channel and result;
    by kind, how many took up to each of `BOUNDS` and longer than the one before, and the seconds of all together."""

    @property
    def deliveries(self) -> Mapping[tuple[str, str], int]: ...
    @property
    def attempts(self) -> Mapping[tuple[str, str], int]: ...
    @property
    def lags(self) -> Mapping[str, Sequence[int]]: ...
    @property
    def lag_seconds(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class Sources:
    """Where a scrape looks: `figures` reads the database, `counts` Redis (its histogram has `bounds`), and `spooled`
    tells the bytes that wait for the database on this machine."""

    figures: Callable[[], Figures]
    counts: Callable[[], Counts]
    bounds: Sequence[float]
    spooled: Callable[[], int]


def init_app(app: Flask, sources: Sources) -> None:
    """Open `/metrics` on `app`; each scrape asks `sources`."""
    settings: Settings = app.extensions["tokiflow.settings"]

    @app.get("/metrics", endpoint="metrics")
    def show() -> Response:
        status = access(
            production=settings.environment == "production",
            token=settings.metrics_token,
            authorization=request.headers.get("Authorization", ""),
            address=request.remote_addr or "",
            forwarded=any(name in request.headers for name in FORWARDED),
        )
        if status != 200:
            return _refusal(status)
        return Response(render(_look(sources)), content_type=CONTENT_TYPE_LATEST)


def access(*, production: bool, token: str, authorization: str, address: str, forwarded: bool) -> int:
    """Whether somebody may read the metrics: 200, 401 (the token is missing or wrong) or 404.

    The token opens always. Without it, only this very machine may, and never in production: there, a proxy on
    this machine makes the whole world look like this machine. Where nobody could get in, there is nothing: 404.
    """
    scheme, _, given = authorization.partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return 200
    if not production and not forwarded and _is_loopback(address):
        return 200
    return 401 if token else 404


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request. `route` is a pattern: a path would make a new series for each monitor."""
    _requests.labels(method if method in METHODS else "other", route, str(status)).inc()
    _seconds.labels(route).observe(seconds)


def count_ping(status: int) -> None:
    """Count one ping by the status it was answered with."""
    _answers.labels(str(status)).inc()


def forget_process(pid: int) -> None:
    """A web process has ended: for gunicorn's `child_exit(server, worker)` hook, with `worker.pid`."""
    if _SHARED:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Look:
    """What one scrape has found. Without figures the database is away, without counts Redis is."""

    figures: Figures | None = None
    counts: Counts | None = None
    bounds: Sequence[float] = ()
    spooled: int = 0


def render(look: Look) -> bytes:
    """The metrics in Prometheus' text format: of what is away nothing is told."""
    now = CollectorRegistry()
    now.register(_Reading(look))
    return generate_latest(now) + generate_latest(_counted())


def _counted() -> CollectorRegistry:
    if not _SHARED:
        return _process
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _look(sources: Sources) -> Look:
    return Look(_asked(sources.figures), _asked(sources.counts), sources.bounds, sources.spooled())


def _asked(source: Callable[[], Found]) -> Found | None:
    try:
        return source()
    except Exception as error:
        # A scrape that fails says nothing; one with less says what is away.
        log.warning("metrics_incomplete", error=type(error).__name__)
        return None


class _Reading:
    """Turns figures into metrics, as prometheus_client wants a collector to."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """One metric family for each figure."""
        yield GaugeMetricFamily(
            "tokiflow_database_up", "Whether the database answered.", int(self._look.figures is not None)
        )
        yield GaugeMetricFamily(
            "tokiflow_spool_bytes", "What waits on this machine's disk for the database.", self._look.spooled
        )
        if self._look.counts is not None:
            yield from _sent(self._look.counts, self._look.bounds)
        if self._look.figures is None:
            return
        read = self._look.figures
        yield _labelled("tokiflow_monitors", "Monitors by status.", "status", read.monitors_by_status)
        yield _labelled("tokiflow_incidents_open", "Open incidents by kind.", "kind", read.incidents_open_by_kind)
        yield GaugeMetricFamily("tokiflow_deliveries_pending", "Deliveries not yet made.", read.deliveries_pending)
        yield GaugeMetricFamily(
            "tokiflow_delivery_oldest_pending_seconds",
            "Age of the oldest delivery not yet made; 0 when there is none.",
            read.oldest_pending_delivery_seconds,
        )
        yield GaugeMetricFamily(
            "tokiflow_delivery_overdue_seconds",
            "How long ago a try was due that nobody has made yet; 0 when there is none.",
            read.delivery_overdue_seconds,
        )
        yield GaugeMetricFamily(
            "tokiflow_deliveries_retrying", "Of those not yet made, those tried before.", read.deliveries_retrying
        )
        yield GaugeMetricFamily("tokiflow_deliveries_undelivered", "Deliveries given up.", read.deliveries_dead)
        yield GaugeMetricFamily(
            "tokiflow_delivery_hosts_left_alone",
            "Hosts that do not answer and that deliveries wait for: open circuit breakers.",
            read.hosts_left_alone,
        )
        yield _labelled(
            "tokiflow_heartbeat_age_seconds", "Time since a process last told it lives.", "process",
            read.heartbeat_age_seconds,
        )  # fmt: skip
        yield CounterMetricFamily("tokiflow_pings", "Pings kept since the beginning.", read.pings_total)


def _sent(counts: Counts, bounds: Sequence[float]) -> Iterator[Metric]:
    deliveries = CounterMetricFamily(
        "tokiflow_deliveries", "Deliveries that are over, by kind of channel.", labels=["kind", "result"]
    )
    attempts = CounterMetricFamily(
        "tokiflow_delivery_attempts", "Tries, by kind of channel and what came of them.", labels=["kind", "result"]
    )
    for family, numbers in ((deliveries, counts.deliveries), (attempts, counts.attempts)):
        for labels, number in sorted(numbers.items()):
            family.add_metric(labels, number)
        yield family
    lag = HistogramMetricFamily(
        "tokiflow_delivery_lag_seconds", "From what happened to the message sent about it.", labels=["kind"]
    )
    for kind, numbers_within in sorted(counts.lags.items()):
        within = zip(map(floatToGoString, bounds), accumulate(numbers_within), strict=True)
        lag.add_metric([kind], list(within), counts.lag_seconds.get(kind, 0.0))
    yield lag


def _labelled(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for key, number in values.items():
        family.add_metric([key], number)
    return family


def _refusal(status: int) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="metrics"'} if status == 401 else {}
    return Response("unauthorized\n" if status == 401 else "not found\n", status, headers, content_type="text/plain")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
