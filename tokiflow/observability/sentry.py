"""Sentry, when a DSN is set: what broke and where, and nothing about whom.

What leaves the house is chosen, not filtered alone: of a request only method, route and status; of a person only
the id; no bodies, headers, cookies, queries or variables. Then every text that is left is scrubbed.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from tokiflow import __version__
from tokiflow.observability import scrubbing
from tokiflow.settings import Settings

Process = Literal["web", "intake", "worker", "clock"]

TRACES_IN_PRODUCTION = 0.1
# Keys that OpenTelemetry, WSGI and Sentry's own integrations use for what must not leave.
_DROPPED = frozenset(
    {
        "args", "body", "client.address", "cookies", "data.body", "db.params", "env", "headers", "http.fragment",
        "http.query", "http.request.body.data", "ip_address", "kwargs", "network.peer.address", "query_string",
        "remote_addr", "rq_job", "sys.argv", "url.query", "user.ip_address", "username", "vars",
    }
)  # fmt: skip


def configure(settings: Settings, process: Process) -> None:
    """Begin to report errors of this process. Does nothing without a DSN. Call it before the app is made."""
    if not settings.sentry_dsn:
        return
    # 8 MB that most instances have no use for.
    import sentry_sdk
    from sentry_sdk.integrations.flask import FlaskIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.integrations.rq import RqIntegration

    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.environment,
        release=f"tokiflow@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        # Our trace ids are nobody's business: not Slack's, and not that of a customer's webhook.
        trace_propagation_targets=[],
        traces_sample_rate=TRACES_IN_PRODUCTION if settings.environment == "production" else 0.0,
        integrations=[
            FlaskIntegration(transaction_style="url"),
            RqIntegration(),
            LoggingIntegration(level=logging.INFO, event_level=logging.ERROR),
        ],
        before_send=_event,
        before_send_transaction=_transaction,
        before_breadcrumb=_breadcrumb,
    )
    sentry_sdk.set_tag("process", process)


def _event(event: Any, hint: dict[str, Any]) -> Any:
    return clean(_named(event, hint.get("log_record")))


def _transaction(event: Any, hint: dict[str, Any]) -> Any:
    return clean(event)


def _breadcrumb(crumb: Any, hint: dict[str, Any]) -> Any:
    record = hint.get("log_record")
    if record is not None and isinstance(record.msg, dict):
        crumb = {**crumb, "message": record.msg.get("event"), "data": _details(record.msg)}
    return clean(crumb)


def _named(event: Any, record: logging.LogRecord | None) -> Any:
    """A structlog line as Sentry should group it: by its constant event, with the rest beside it."""
    if record is None or not isinstance(record.msg, dict):
        return event
    return {
        **event,
        "logentry": {"message": str(record.msg.get("event"))},
        "extra": {**event.get("extra", {}), **_details(record.msg)},
    }


def _details(line: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in line.items() if name not in ("event", "exc_info", "timestamp", "level")}


def clean(event: Any) -> Any:
    """An event, a transaction or a breadcrumb, fit to leave the house."""
    event = dict(event)
    if isinstance(event.get("request"), dict):
        event["request"] = {name: event["request"][name] for name in ("method", "url") if name in event["request"]}
    if isinstance(event.get("user"), dict):
        event["user"] = {"id": event["user"]["id"]} if "id" in event["user"] else {}
    event.pop("server_name", None)
    return scrubbing.value(_without(event), scrubbing.personal, depth=20)


def _without(item: Any) -> Any:
    """`item` less everything that goes by a name in _DROPPED, at any depth."""
    if isinstance(item, dict):
        return {name: _without(inner) for name, inner in item.items() if str(name).lower() not in _DROPPED}
    if isinstance(item, list):
        return [_without(inner) for inner in item]
    return item
