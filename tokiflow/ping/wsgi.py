"""The letterbox under WSGI: a few lines in front of the Flask app."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tokiflow.ping import body as bodies
from tokiflow.ping.answers import Answer
from tokiflow.ping.letterbox import Letterbox, Request, is_ping

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 20.0
"""Seconds a request waits for its answer at most before it is told to come again."""

PIECE = 64 * 1024
_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def in_front_of(
    app: WSGIApplication, letterbox: Letterbox, source: Callable[[WSGIEnvironment], str], seen: Callable[[int], None]
) -> WSGIApplication:
    """A WSGI app that answers pings itself and hands everything else to `app`.

    `source` tells the client's address, `seen` hears the status of every answer.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not is_ping(path):
            return app(environ, start_response)
        request = _request(environ, path, source(environ), letterbox.body_limit)
        answer = letterbox.take(request, _Slip()).result(PATIENCE) or letterbox.answers.again
        seen(answer.status)
        start_response(_LINES[answer.status], answer.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    return application


class _Slip:
    """The answer to one request, which one thread waits for and another fills in: a Future without what isn't needed,
    at a fifth of its cost."""

    __slots__ = ("_answer", "_filled_in")

    def __init__(self) -> None:
        self._answer: Answer | None = None
        self._filled_in = allocate_lock()
        self._filled_in.acquire()

    def set_result(self, answer: Answer) -> None:
        self._answer = answer
        self._filled_in.release()

    def result(self, timeout: float) -> Answer | None:
        """The answer; None if there is none within `timeout` seconds."""
        self._filled_in.acquire(timeout=timeout)
        return self._answer


def _request(environ: WSGIEnvironment, path: str, source: str, body_limit: int) -> Request:
    # The body of a ping that will be refused is read, too: who is still sending when the connection ends never hears
    # why.
    return Request(
        method=environ["REQUEST_METHOD"],
        path=_text(path),
        query=_text(environ.get("QUERY_STRING", "")),
        headers={"user-agent": _text(environ.get("HTTP_USER_AGENT", ""))},
        source=source,
        body=_read(environ, body_limit),
    )


def _text(said: str) -> str:
    """WSGI hands bytes as latin-1 (PEP 3333)."""
    return said if said.isascii() else said.encode("latin-1", "replace").decode("utf-8", "replace")


def _read(environ: WSGIEnvironment, limit: int) -> bodies.Body:
    left = _content_length(environ)
    if left == 0:
        return bodies.NONE
    stream: Any = environ["wsgi.input"]
    collector = bodies.Collector(limit)
    while collector.size < bodies.MOST_READ and (left is None or left > 0):
        piece = _piece(stream, PIECE if left is None else min(PIECE, left))
        if not piece:
            break
        collector.add(piece)
        left = None if left is None else left - len(piece)
    return collector.body()


def _piece(stream: Any, size: int) -> bytes:
    try:
        piece: bytes = stream.read(size)
    except (OSError, ValueError):
        # The client went away in the middle of its body: what has come is the output, and the ping counts.
        return b""
    return piece


def _content_length(environ: WSGIEnvironment) -> int | None:
    """Bytes that will come; None when the body is chunked and ends by itself."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    text = environ.get("CONTENT_LENGTH", "") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def source(trusted_proxies: int) -> Callable[[WSGIEnvironment], str]:
    """How to tell a client's address behind `trusted_proxies` proxies, each of which adds what it saw."""

    def client(environ: WSGIEnvironment) -> str:
        return forwarded(environ.get("HTTP_X_FORWARDED_FOR", ""), trusted_proxies) or str(
            environ.get("REMOTE_ADDR", "")
        )

    return client


def forwarded(header: str, trusted_proxies: int) -> str:
    """The client's address by X-Forwarded-For, to which each of `trusted_proxies` added what it saw; "" if unknown."""
    if not trusted_proxies or not header:
        return ""
    seen = [one.strip() for one in header.split(",") if one.strip()]
    return seen[-trusted_proxies] if len(seen) >= trusted_proxies else ""
