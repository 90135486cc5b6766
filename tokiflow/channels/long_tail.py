"""The long tail: some forty public services, spoken to by the library Apprise, through our own door.

Addresses: https://appriseit.com/services/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from tokiflow.channels import answers, sms, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.long_tail_door import Visit, opened, plugin_of
from tokiflow.channels.long_tail_services import BY_SCHEMA, GROUPS, SERVICES, Service
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.core.addresses import URL_LIMIT
from tokiflow.errors import DeliveryError

LINES_LIMIT = 8
"""So many of the last lines go along: most of these services show little, on a phone."""
_NEVER = frozenset({401, 404, 410})
_TYPES = {"down": "failure", "late": "warning", "up": "success", "rest": "info"}
# What some services would take for a mention of somebody, or of everybody, or for a link: "@all", "<users/all>", "](".
_MARKS = re.compile(r"[@<](?=\S)|\](?=\()")


def _url(value: object) -> str:
    """The address as it is stored, after the plugin has read it and said, without asking anybody, whom it would ask."""
    url = value.strip() if isinstance(value, str) else ""
    if not url:
        raise ValueError("is missing; write the address of a service, like gchat://workspace/key/token")
    if len(url) > URL_LIMIT or not url.isprintable():
        raise ValueError(f"must be one line of at most {URL_LIMIT:,} characters")
    service = _service(url)
    visit = Visit(service, _Nobody())
    try:
        with opened(visit):
            _plugin(service, url).notify(body="Hello", title="Hello")
    except Exception:
        # Whatever a plugin says of an address, it may say it with its keys.
        visit.errors.clear()
        visit.answers.clear()
    for error in visit.errors:
        raise ValueError(f"can’t be used: {error.message}")
    if not visit.answers:
        raise ValueError(f"is not complete, or a part of it can’t be right; write it like {service.form}")
    return url


def _service(url: str) -> Service:
    schema, colon, _ = url.partition("://")
    service = BY_SCHEMA.get(schema.lower()) if colon else None
    if service is None:
        named = f"{schema[:30]}://" if colon and re.fullmatch(r"[A-Za-z0-9+.-]+", schema) else "this"
        raise ValueError(
            f"begins with {named}, which is none of the services that are taken, like gchat:// and zulip://; "
            "the form of the channel and docs/paging.md list them"
        )
    return service


class Apprise(ChannelKind):
    """Config: `{"url": "gchat://…"}`, an address of Apprise's for one of SERVICES. It holds the keys: a secret."""

    kind = "apprise"
    title = "Apprise"
    line = f"{len(SERVICES)} more services, from Google Chat to Zulip, by one address each."
    icon = "apprise"
    groups = GROUPS
    """What may be told, for the page."""
    setup = (
        "Find your service in the list below the form, and see what its address is made of.",
        "Get from the service what stands in it: a key, a token, whom to tell. appriseit.com says where, one by one.",
        "Write the address into this form, and send a test: only the service knows whether its keys are right.",
    )
    arrives = (
        "What happened, why, the last lines of output, what to do and a link, as plain text. Services that send text "
        "messages get a few words and the link, because each letter costs."
    )
    fields: ClassVar = (
        Field(
            name="url",
            label="Address of the service",
            read=_url,
            help="It holds your keys: it is never shown again.",
            placeholder="gchat://workspace/key/token",
            secret=True,
            mono=True,
        ),
    )

    def describe(self, config: Config) -> str:
        return _service(config["url"]).title

    def host(self, config: Config) -> str:
        return _service(config["url"]).hosts[0]

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        service = _service(config["url"])
        visit = Visit(service, outside.http)
        try:
            with opened(visit):
                arrived = _told(_plugin(service, config["url"]), service, message)
        except Exception as error:
            # Its words may hold the keys of the address; ours say why.
            unknown = DeliveryError(f"Apprise could not tell {service.title}: {type(error).__name__}")
            raise next(iter(visit.errors), unknown) from None
        return _outcome(visit, arrived, config["url"])


def _told(plugin: Any, service: Service, message: Message) -> bool:
    """Whether the plugin says that it arrived. What pages people is told whose news it is, and a test ends at once."""
    title, body = written(message, service)
    if service.key:
        setattr(plugin, service.key, message.dedup_key if message.kind == "test" else message.thread_key)
        plugin.action = "map"

    def told(kind: str) -> bool:
        # That it is plain text is not said: the library would then put a \ before each _ of a link, which few undo.
        return bool(plugin.notify(body=body, title=title, notify_type=kind, overflow="truncate"))

    arrived = told(_TYPES[words.tone(message).name])
    if arrived and service.key and message.kind == "test":
        # Nobody shall be left paged by a test.
        return any(told("success") for _ in range(answers.END_TRIES))
    return arrived


def written(message: Message, service: Service) -> tuple[str, str]:
    """The title and the body for `service`."""
    if service.short:
        return "", sms.body(message)
    tone = words.tone(message)
    said = [
        words.sentence(message.summary),
        words.listing(message, lambda one: f"{words.shape(one)} {one.monitor_name} {one.summary}", lambda _: True),
        words.follow_up(message),
        words.sentence(message.reason),
        "\n".join(message.last_lines[-LINES_LIMIT:]),
        message.advice,
    ]
    body = _disarmed("\n\n".join(filter(None, said)))
    links = "\n".join(f"{label}: {url}" for label, url in words.links(message)[:1])
    return _disarmed(f"{tone.shape} {words.headline(message)}"), f"{body}\n\n{links}".strip()


def _disarmed(said: str) -> str:
    return _MARKS.sub("\\g<0>\u200b", said)


def _plugin(service: Service, url: str) -> Any:
    """The plugin for `url`, as it lives for one message: it keeps nothing on disk and does not wait."""
    kind = plugin_of(service)
    asset = import_module("apprise").AppriseAsset(
        app_id="Tokiflow", app_desc="Tokiflow", storage_mode="memory", image_url_mask="", image_url_logo=""
    )
    plugin = kind(**kind.parse_url(url), asset=asset)
    # It would sleep between two receivers; we are told to wait if it is too fast.
    plugin.throttle = _at_once
    return plugin


def _at_once(*_: Any, **__: Any) -> None:
    return None


def _outcome(visit: Visit, arrived: bool, url: str) -> Receipt:
    name, last = visit.service.title, visit.answers[-1] if visit.answers else None
    response = answers.shown(last, secrets(url)) if last else ""
    if arrived and last:
        return Receipt(last.status_code, response or "Taken")
    for error in visit.errors:
        raise error
    if last is None:
        raise DeliveryError(f"Apprise sent nothing to {name}; look at the address of the channel")
    bad = next((one for one in visit.answers if not answers.ok(one)), last)
    said = text.line(answers.shown(bad, secrets(url)), 200) or "nothing"
    raise DeliveryError(
        f"{name} answered {bad.status_code}{_explained(bad)}: {said}",
        permanent=bad.status_code in _NEVER,
        retry_after=max((one.retry_after for one in visit.answers if one.retry_after is not None), default=None),
        status_code=bad.status_code,
        response=response,
    )


def _explained(answer: Answer) -> str:
    return ", a redirect, which is not followed" if 300 <= answer.status_code < 400 else ""


def secrets(url: str) -> Iterable[str]:
    """Whatever in `url` may be a key, as it stands there and as it is meant."""
    parts = [one for one in re.split(r"[/:@?&=#,]+", url.partition("://")[2]) if one]
    return {url, *parts, *map(unquote, parts), unquote(urlsplit(url).netloc)}


@dataclass(frozen=True)
class _Said:
    status_code: int
    text: str
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class _Nobody:
    """Takes all and tells nobody: the first look at an address."""

    def send(self, method: str, url: str, **_: Any) -> Answer:
        return _Said(200, json.dumps({}))
