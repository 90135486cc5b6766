"""Webhook: a signed HTTP request to an address of the customer's choice.

What comes back decides what is done. 2xx: arrived. 410 Gone: the receiver says for good that nobody lives there, so
the channel is disabled. Everything else is tried again with back-off: 429, 5xx and time-outs pass, and 400, 401, 403
and 404 mostly stand for a receiver being deployed, a rotated secret or a proxy in between; a channel silenced for
ever by one bad minute would be worse than some requests in vain. Redirects are not followed: a signed request goes
where it was addressed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import fields, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import DeliveryError

METHODS = ("POST", "PUT")
HEADERS_LIMIT = 20
HEADER_LENGTH = 2_000
SECRET_LENGTH = 200
TEMPLATE_LIMIT = 10_000
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
    | {"proxy-authorization", "proxy-connection", "idempotency-key", "accept-encoding"}
)
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_.]+)\s*\}\}")


# What may be written in a config. Each check gives back the value to store or raises ValueError.


def _secret(value: object) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > SECRET_LENGTH or not value.isprintable():
        raise ValueError(f"must be text of at most {SECRET_LENGTH} characters, on one line")
    return value


def _method(value: object) -> str:
    method = value.upper() if isinstance(value, str) and value else "POST" if not value else ""
    if method not in METHODS:
        raise ValueError(f"must be {' or '.join(METHODS)}")
    return method


def _headers(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError('must be an object of names and values, like {"Authorization": "Bearer …"}')
    if len(value) > HEADERS_LIMIT:
        raise ValueError(f"has {len(value)} headers; write at most {HEADERS_LIMIT}")
    for name, content in value.items():
        _check_header(name, content)
    return {str(name): str(content).strip() for name, content in value.items()}


def _check_header(name: object, content: object) -> None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ValueError(f"'{str(name)[:40]}' can't be the name of a header")
    if name.lower() in _OURS or name.lower().startswith("tokiflow-"):
        raise ValueError(f"{name} is set by Tokiflow; leave it out")
    # Plain ASCII without controls: a line break would begin a header of its own.
    if not isinstance(content, str) or not (content.isascii() and content.isprintable()):
        raise ValueError(f"{name} must be plain text (ASCII) on one line")
    if len(content) > HEADER_LENGTH:
        raise ValueError(f"{name} is too long; write at most {HEADER_LENGTH:,} characters")


def _template(value: object) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > TEMPLATE_LIMIT:
        raise ValueError(f"must be text of at most {TEMPLATE_LIMIT:,} characters")
    unknown = sorted(set(_PLACEHOLDER.findall(value)) - PLACEHOLDERS)
    if unknown:
        raise ValueError(f"{{{{{unknown[0]}}}}} is not known; use {', '.join(sorted(PLACEHOLDERS))}")
    if _is_json(value):
        _check_json(value)
    return value


def _check_json(template: str) -> None:
    try:
        json.loads(_fill(template, dict.fromkeys(PLACEHOLDERS, 'a "quoted" text')))
    except (ValueError, RecursionError):
        raise ValueError('looks like JSON and is not; placeholders belong in quotes, like "{{summary}}"') from None


# The body template: words in double braces are replaced, nothing in it is ever run.

PLACEHOLDERS = frozenset(
    {"id", "type", "headline", "summary", "reason", "advice", "status", "severity", "organization", "opened_at"}
    | {"resolved_at", "monitor.id", "monitor.name", "monitor.url", "incident.id", "incident.kind", "incident.url"}
    | {"environment", "exit_code", "last_lines"}
)


def _placeholders(message: Message) -> dict[str, str]:
    return {
        "id": message.dedup_key,
        "type": f"incident.{message.kind}" if message.about_incident else message.kind,
        "headline": words.headline(message),
        "summary": message.summary,
        "reason": message.reason,
        "advice": message.advice,
        "status": words.tone(message).name,
        "severity": message.severity,
        "organization": message.organization,
        "opened_at": _time(message.opened_at),
        "resolved_at": _time(message.resolved_at) if message.resolved_at else "",
        "monitor.id": message.monitor_id,
        "monitor.name": message.monitor_name,
        "monitor.url": message.monitor_url,
        "incident.id": message.incident_id,
        "incident.kind": message.incident_kind,
        "incident.url": message.incident_url,
        "environment": message.environment,
        "exit_code": "" if message.exit_code is None else str(message.exit_code),
        "last_lines": "\n".join(message.last_lines),
    }


def _fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with its placeholders replaced; in JSON they are escaped to stay inside their quotes."""
    escape = _inside_json if _is_json(template) else str
    return _PLACEHOLDER.sub(lambda found: escape(values[found[1]]), template)


def _inside_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _is_json(template: str) -> bool:
    # `{{summary}} …` is plain text that begins with a placeholder.
    start = template.lstrip()
    return start.startswith(("{", "[")) and not start.startswith("{{")


class Webhook(ChannelKind):
    """Config: `{"url", "secret"?, "headers"?, "method"?: POST or PUT, "template"?}`."""

    kind = "webhook"
    title = "Webhook"
    line = "A signed request to a service of your own."
    icon = "webhook"
    for_people = False
    arrives = (
        "JSON with type (incident.opened, incident.reopened, incident.resolved and so on, or test), monitor, incident, "
        "run, summary, reason and advice. The same delivery always carries the same Tokiflow-Delivery. It may arrive "
        "twice: remember it and skip the second."
    )
    fields: ClassVar = (
        fields.url(
            help="Gets one request for each alert. Anything but a 2xx answer is tried again, for about a day.",
            placeholder="https://example.com/hooks/tokiflow",
        ),
        Field(
            name="method",
            label="Method",
            read=_method,
            shape="choice",
            choices=tuple((method, method) for method in METHODS),
        ),
        Field(
            name="secret",
            label="Signing secret",
            read=_secret,
            secret=True,
            mono=True,
            suggest=fields.new_secret,
            help="Copy it to the receiver now: it is never shown again. Each request is signed with it.",
            none="Send without a signature",
            none_help="Then the receiver can’t know that it was us.",
        ),
        Field(
            name="headers",
            label="Headers",
            read=_headers,
            shape="pairs",
            secret=True,
            optional=True,
            mono=True,
            help="One a line, like Authorization: Bearer …",
        ),
        Field(
            name="template",
            label="Body",
            read=_template,
            shape="text",
            optional=True,
            mono=True,
            help="Empty sends Tokiflow’s JSON. Otherwise a text or JSON of yours, with words in double braces filled "
            "in, like summary, monitor.name and incident.url.",
        ),
    )

    def describe(self, config: Config) -> str:
        parts = urlsplit(config["url"])
        # The path of a webhook is often its password.
        return f"{config['method']} {parts.scheme}://{parts.netloc}/{'…' if parts.path.strip('/') else ''}"

    def facts(self, config: Config) -> list[tuple[str, str]]:
        names = ", ".join(config.get("headers") or {})
        return [
            ("Signature", "signed" if config.get("secret") else "none"),
            ("Headers", names or "none"),
            ("Body", "a template" if config.get("template") else "Tokiflow’s JSON"),
        ]

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        content, content_type = body(message, config["template"])
        headers = {"Content-Type": content_type, **config["headers"]}
        headers |= {"Tokiflow-Delivery": message.dedup_key, "Idempotency-Key": message.dedup_key}
        if config["secret"]:
            headers["Tokiflow-Signature"] = signature(config["secret"], int(message.sent_at.timestamp()), content)
        answer = outside.http.send(config["method"], config["url"], content=content, headers=headers)
        return _receipt(answer)


def signature(secret: str, timestamp: int, content: bytes) -> str:
    """`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 with `secret` over the timestamp, a full stop and the body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + content, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def body(message: Message, template: str | None) -> tuple[bytes, str]:
    """The request's body and its content type: our JSON, or the customer's template filled in."""
    if template is None:
        return json.dumps(payload(message), ensure_ascii=False).encode(), "application/json"
    filled = _fill(template, _placeholders(message)).encode()
    return filled, "application/json" if _is_json(template) else "text/plain; charset=utf-8"


def payload(message: Message) -> dict[str, Any]:
    """The message as our JSON has it. Fields may be added, none is taken away or changes its meaning."""
    return {
        "id": message.dedup_key,
        "type": f"incident.{message.kind}" if message.about_incident else message.kind,
        "created_at": _time(message.sent_at),
        "organization": message.organization,
        "monitor": {
            "id": message.monitor_id,
            "name": message.monitor_name,
            "url": message.monitor_url,
            "tags": list(message.tags),
            "schedule": message.schedule_words,
        }
        if message.about_incident
        else None,
        "incident": {
            "id": message.incident_id,
            "kind": message.incident_kind,
            "severity": message.severity,
            "url": message.incident_url,
            "opened_at": _time(message.opened_at),
            "resolved_at": _time(message.resolved_at) if message.resolved_at else None,
        }
        if message.about_incident
        else None,
        "run": {
            "exit_code": message.exit_code,
            "duration_seconds": message.duration_seconds,
            "environment": message.environment or None,
            "last_lines": list(message.last_lines),
        },
        "summary": message.summary,
        "reason": message.reason,
        "advice": message.advice,
        "text": f"{words.headline(message)}. {words.sentence(message.summary)}",
    }


def _time(at: Any) -> str:
    return str(at.isoformat(timespec="milliseconds")).replace("+00:00", "Z")


def _receipt(answer: Answer) -> Receipt:
    if 200 <= answer.status_code < 300:
        return Receipt(answer.status_code, answer.text)
    raise DeliveryError(
        f"the receiver answered {answer.status_code}{_explained(answer.status_code)}",
        permanent=answer.status_code == 410,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=Receipt(response=answer.text).response,
    )


def _explained(status_code: int) -> str:
    if 300 <= status_code < 400:
        return ", a redirect, which is not followed; give the channel the final address"
    return {410: ": the address is gone for good", 429: ": too many requests"}.get(status_code, "")
