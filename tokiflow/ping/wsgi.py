"""The letterbox under WSGI: a few lines in front of the Flask app."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tokiflow.ping import body as bodies
from tokiflow.ping.letterbox import Letterbox, Request, is_ping

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PIECE = 64 * 1024


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
        answer = letterbox.answer(_request(environ, path, source(environ)))
        seen(answer.status)
        reason = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        start_response(reason, list(answer.all_headers().items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.text.encode()]

    return application


def _request(environ: WSGIEnvironment, path: str, source: str) -> Request:
    # WSGI hands bytes as latin-1 (PEP 3333).
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path.encode("latin-1", "replace").decode("utf-8", "replace"),
        query=environ.get("QUERY_STRING", "").encode("latin-1", "replace").decode("utf-8", "replace"),
        headers={
            "user-agent": environ.get("HTTP_USER_AGENT", "").encode("latin-1", "replace").decode("utf-8", "replace")
        },
        source=source,
        read_body=lambda: _read(environ),
    )


def _read(environ: WSGIEnvironment) -> bodies.Body:
    stream: Any = environ["wsgi.input"]
    left = _content_length(environ)
    collector = bodies.Collector()
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
        seen: list[str] = [one.strip() for one in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if one.strip()]
        if trusted_proxies and len(seen) >= trusted_proxies:
            return seen[-trusted_proxies]
        return str(environ.get("REMOTE_ADDR", ""))

    return client
