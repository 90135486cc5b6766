"""Webhook: a signed HTTP request to an address of the customer's choice.

What comes back decides what is done. 2xx: arrived. 410 Gone: the receiver says for good that nobody lives there, so
the channel is disabled. Everything else is tried again with back-off: 429, 5xx and time-outs pass, and 400, 401, 403
and 404 mostly stand for a receiver being deployed, a rotated secret or a proxy in between; a channel silenced for
ever by one bad minute would be worse than some requests in vain. Redirects are not followed: a signed request goes
where it was addressed.

A secret can be changed without losing a message: for a day both sign, the new and the former, so the receiver may be
changed whenever it suits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import fields, webhook_body
from tokiflow.channels.base import SET, ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import DeliveryError, Invalid

METHODS = ("POST", "PUT", "PATCH")
HEADERS_LIMIT = 20
HEADER_LENGTH = 2_000
SECRET_LENGTH = 200
OVERLAP = timedelta(hours=24)
"""So long the former secret signs, too."""
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
    | {"proxy-authorization", "proxy-connection", "idempotency-key", "accept-encoding"}
)


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
    if not isinstance(value, str) or any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("must be text")
    written = value.replace("\r\n", "\n")
    webhook_body.check_length(written)
    return written or None


def _check_template(config: Config) -> None:
    headers = config.get("headers")
    if template := _template(config.get("template")):
        webhook_body.check(template, content_type(headers) if isinstance(headers, Mapping) else "")


def _check_former(config: Config) -> None:
    _secret(config.get("previous_secret"))
    try:
        _moment(config.get("previous_secret_until"))
    except ValueError:
        raise ValueError("has a time beside it that is none; leave previous_secret_until out") from None


@dataclass(frozen=True)
class Request:
    """What is sent. `trouble`: why the body is not what the template says; mostly empty."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes
    trouble: str = ""


class Webhook(ChannelKind):
    """Config: `{"url", "secret"?, "headers"?, "method"?: POST, PUT or PATCH, "template"?}`.

    For a day after a change of the secret also `"previous_secret"`, with the time `"previous_secret_until"`.
    """

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
            help="Empty sends Tokiflow’s JSON. Otherwise a text or JSON of yours, with names in double braces, like "
            "{{ summary }}, {{ monitor.name }} and {{ incident.url }}.",
        ),
    )

    @property
    def secret_fields(self) -> frozenset[str]:
        return super().secret_fields | {"previous_secret"}

    def validate(self, config: Config) -> dict[str, Any]:
        wrong: dict[str, list[str]] = {}
        checked: dict[str, Any] = {}
        try:
            checked = super().validate({name: value for name, value in config.items() if name not in _FORMER})
        except Invalid as invalid:
            wrong |= invalid.fields
        for name, check in (("template", _check_template), ("previous_secret", _check_former)):
            try:
                check(config)
            except ValueError as error:
                wrong[f"config.{name}"] = [str(error)]
        if wrong:
            raise Invalid(wrong)
        former = {name: config[name] for name in _FORMER if config.get(name)}
        return checked | (former if "previous_secret" in former else {})

    def carried(self, stored: Config, config: Config, now: datetime) -> dict[str, Any]:
        rest = {name: value for name, value in config.items() if name not in _FORMER}
        before, now_signs = stored.get("secret"), rest.get("secret")
        former = config.get("previous_secret")
        if not now_signs:
            return rest
        if before and before != now_signs:
            former, until = before, now + OVERLAP
        elif former and former == stored.get("previous_secret"):
            until = _moment(stored.get("previous_secret_until")) or now
        else:
            until = now + OVERLAP
        if not former or former == now_signs or until <= now:
            return rest
        return rest | {"previous_secret": former, "previous_secret_until": _written(until)}

    def current(self, config: Config, now: datetime) -> Config:
        return config if former_secret(config, now) else {k: v for k, v in config.items() if k not in _FORMER}

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

    def request(self, config: Config, message: Message) -> Request:
        """What is sent for `message`, as it goes out."""
        headers = dict(config["headers"])
        body = webhook_body.of(message, config["template"], content_type(headers))
        headers = {"Content-Type": body.content_type} | {
            name: value for name, value in headers.items() if name.lower() != "content-type"
        }
        headers |= {"Tokiflow-Delivery": message.dedup_key, "Idempotency-Key": message.dedup_key}
        if config["secret"]:
            moment = int(message.sent_at.timestamp())
            former = former_secret(config, message.sent_at)
            headers["Tokiflow-Signature"] = signature(config["secret"], moment, body.content, former)
        return Request(config["method"], config["url"], headers, body.content, body.trouble)

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        request = self.request(config, message)
        answer = outside.http.send(request.method, request.url, content=request.content, headers=request.headers)
        return _receipt(answer, request.trouble)


_FORMER = ("previous_secret", "previous_secret_until")


def masked_request(request: Request, own: Config) -> Request:
    """`request` as it may be shown: what the customer wrote into headers (`own`) and signatures are hidden."""
    hidden = {str(name).lower() for name in own} - {"content-type"}
    headers = {name: SET if name.lower() in hidden else value for name, value in request.headers.items()}
    if signed := headers.get("Tokiflow-Signature"):
        headers["Tokiflow-Signature"] = re.sub(r"v1=[0-9a-f]+", "v1=…", signed)
    return Request(request.method, request.url, headers, request.content, request.trouble)


def content_type(headers: Mapping[str, str]) -> str:
    """The content type that the customer's own headers ask for, or the empty string."""
    return next((str(value) for name, value in headers.items() if str(name).lower() == "content-type"), "")


def former_secret(config: Config, now: datetime) -> str | None:
    """The secret before the present one, while it still signs."""
    until = _moment(config.get("previous_secret_until"))
    former = config.get("previous_secret")
    return str(former) if former and until and now < until else None


def former_until(config: Config, now: datetime) -> datetime | None:
    """Until when the former secret signs, if it does."""
    return _moment(config["previous_secret_until"]) if former_secret(config, now) else None


def _moment(written: Any) -> datetime | None:
    if not isinstance(written, str) or not written:
        return None
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signature(secret: str, timestamp: int, content: bytes, former: str | None = None) -> str:
    """`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 with `secret` over the timestamp, a full stop and the body.

    With a `former` secret there are two: `t=…,v1=<hex>,v1=<hex>`, and it is enough if one of them fits.
    """
    signed = f"{timestamp}.".encode() + content
    keys = [secret, former] if former else [secret]
    digests = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in keys]
    return ",".join([f"t={timestamp}", *(f"v1={digest}" for digest in digests)])


def _receipt(answer: Answer, trouble: str) -> Receipt:
    if 200 <= answer.status_code < 300:
        note = f"(Sent as Tokiflow’s JSON, for the template failed. {trouble}) " if trouble else ""
        return Receipt(answer.status_code, note + answer.text)
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
