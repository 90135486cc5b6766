"""The letterbox under ASGI: a few lines in front of the pages, or with nothing behind them in an intake process."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from tokiflow.ping import body as bodies
from tokiflow.ping.answers import Answer
from tokiflow.ping.letterbox import Letterbox, Request, is_ping
from tokiflow.ping.wsgi import forwarded

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def in_front_of(
    app: Application, letterbox: Letterbox, trusted_proxies: int, seen: Callable[[int], None]
) -> Application:
    """An ASGI app that answers pings itself and hands everything else to `app`.

    Behind `trusted_proxies` proxies the client's address is told by them; `seen` hears the status of every answer.
    """
    bell = _Bell()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _live(receive, send)
        if scope["type"] != "http" or not is_ping(scope["path"]):
            return await app(scope, receive, send)
        headers = dict(scope["headers"])
        body = await _read(headers, receive, letterbox.body_limit)
        answer = await letterbox.take(_request(scope, headers, body, trusted_proxies), _Slip(bell)).answer
        seen(answer.status)
        await _send(answer, scope["method"], send)

    return application


def nothing_behind(letterbox: Letterbox) -> Application:
    """What an intake process serves beside pings: a refusal that says what it is."""
    refusal = letterbox.answers.make(404, "not found: this host takes pings only")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _send(refusal, scope["method"], send)

    return application


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _send(answer: Answer, method: str, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


async def _read(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bodies.Body:
    if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
        return bodies.NONE
    collector = bodies.Collector(limit)
    while collector.size < bodies.MOST_READ:
        message = await receive()
        # A client that went away in the middle of its body: what has come is the output, and the ping counts.
        if message["type"] == "http.disconnect":
            break
        collector.add(message.get("body", b""))
        if not message.get("more_body"):
            break
    return collector.body()


def _request(scope: Scope, headers: Mapping[bytes, bytes], body: bodies.Body, trusted_proxies: int) -> Request:
    client = scope.get("client") or ("",)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("utf-8", "replace"),
        headers={"user-agent": headers.get(b"user-agent", b"").decode("utf-8", "replace")},
        source=forwarded(headers.get(b"x-forwarded-for", b"").decode("latin-1"), trusted_proxies) or str(client[0]),
        body=body,
    )


class _Slip:
    """The answer to one request, which the loop waits for and the writer's thread fills in."""

    __slots__ = ("_bell", "answer")

    def __init__(self, bell: _Bell) -> None:
        self._bell = bell
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def set_result(self, answer: Answer) -> None:
        self._bell.ring(self.answer, answer)


class _Bell:
    """Brings answers from the writer's thread to the loop. What is answered together wakes the loop once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: deque[tuple[asyncio.Future[Answer], Answer]] = deque()

    def ring(self, waiter: asyncio.Future[Answer], answer: Answer) -> None:
        with self._lock:
            first = not self._answered
            self._answered.append((waiter, answer))
        if first:
            waiter.get_loop().call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        with self._lock:
            answered, self._answered = self._answered, deque()
        for waiter, answer in answered:
            if not waiter.done():
                waiter.set_result(answer)
