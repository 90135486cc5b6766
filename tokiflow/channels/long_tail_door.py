"""What Apprise's plugins are given instead of the network: one door, and who goes through it is looked at.

A plugin asks by `requests`, follows redirects and knows no private networks. Here its module gets a `requests` of ours,
which makes the same request of the same arguments, but hands it to the one outbound client: addresses are judged and
pinned, redirects not followed, time and size bounded. Beyond that each service may ask its own hosts only, by https.
Where no delivery is under way the door is closed; files are never opened.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, NoReturn
from urllib.parse import urlsplit

from tokiflow.channels.long_tail_services import Service
from tokiflow.channels.outside import Answer, Http
from tokiflow.errors import DeliveryError

REQUESTS_LIMIT = 20
"""So many requests one message may take: a key first, then one for each of a few receivers."""
_TAKEN = frozenset({"params", "data", "json", "headers", "auth", "files", "cookies"})
_IGNORED = frozenset({"verify", "timeout", "allow_redirects", "stream"})
_NAMES = frozenset({"codes", "exceptions", "RequestException", "auth"})


@dataclass
class Visit:
    """All that one plugin asks for one message, and what came of it."""

    service: Service
    http: Http
    answers: list[Answer] = field(default_factory=list)
    errors: list[DeliveryError] = field(default_factory=list)
    requests: int = 0

    def ask(self, method: str, url: str, **options: Any) -> Any:
        """The answer as `requests` has it. Raises its exception, and keeps ours."""
        try:
            answer = self._answer(method, url, options)
        except DeliveryError as error:
            self.errors.append(error)
            # What every plugin is prepared for; without our words, which it might write somewhere.
            raise import_module("requests").RequestException from None
        self.answers.append(answer)
        return _response(answer, url)

    def _answer(self, method: str, url: str, options: dict[str, Any]) -> Answer:
        if unknown := options.keys() - _TAKEN - _IGNORED:
            raise DeliveryError(f"Apprise wants something that is not known here: {', '.join(sorted(unknown))}")
        self.requests += 1
        if self.requests > REQUESTS_LIMIT:
            raise DeliveryError(f"one message took more than {REQUESTS_LIMIT} requests; name fewer receivers")
        taken = {name: options[name] for name in options.keys() & _TAKEN}
        request = import_module("requests").Request(method, url, **taken).prepare()
        self._look_at(request.url)
        content = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {str(name): _text(value) for name, value in request.headers.items() if name.lower() not in _OURS}
        return self.http.send(request.method, request.url, content=content, headers=headers)

    def _look_at(self, url: str) -> None:
        parts, name = urlsplit(url), self.service.title
        host = (parts.hostname or "").lower()
        if not any(host == one or host.endswith(f".{one}") for one in self.service.hosts):
            raise DeliveryError(f"{name} is not at {host[:100]}: only public services are taken", permanent=True)
        if parts.scheme != "https" or parts.port not in (None, 443):
            raise DeliveryError(f"{name} is only asked by https, at its usual port", permanent=True)


_OURS = frozenset({"accept-encoding", "connection", "content-length", "host"})
_visit: ContextVar[Visit | None] = ContextVar("visit", default=None)


@contextmanager
def opened(visit: Visit) -> Iterator[None]:
    """Let the plugin that is asked in the block out, and remember on `visit` what it asked."""
    token = _visit.set(visit)
    try:
        yield
    finally:
        _visit.reset(token)


@cache
def plugin_of(service: Service) -> Any:
    """The class of the plugin, loaded now, its module behind the door."""
    # It writes addresses, which hold keys, and what strangers answer.
    logging.getLogger("apprise").disabled = True
    module, _, name = service.plugin.partition(":")
    loaded: Any = import_module(f"apprise.plugins.{module}")
    loaded.requests, loaded.open = _Requests(), _no_files
    return getattr(loaded, name)


class _Requests:
    """The part of `requests` that plugins use."""

    def __getattr__(self, name: str) -> Any:
        if name in _NAMES:
            return getattr(import_module("requests"), name)
        raise AttributeError(f"plugins may not use requests.{name}")

    def request(self, method: str, url: str, **options: Any) -> Any:
        visit = _visit.get()
        if visit is None:
            raise RuntimeError("no delivery is under way")
        return visit.ask(method, url, **options)

    def get(self, url: str, params: Any = None, **options: Any) -> Any:
        return self.request("GET", url, params=params, **options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Any:
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> Any:
        return self.request("PUT", url, data=data, **options)


def _no_files(*_: Any, **__: Any) -> NoReturn:
    raise OSError("plugins open no files")


def _response(answer: Answer, url: str) -> Any:
    response = import_module("requests").Response()
    response.status_code, response.url, response.encoding = answer.status_code, url, "utf-8"
    response._content = answer.text.encode()
    return response


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
