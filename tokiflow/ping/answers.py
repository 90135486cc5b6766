"""What the ping door says: status, plain text and headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tokiflow.core.names import UNKNOWN, Known, Refused

_ALWAYS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Ping-Body-Limit, Retry-After",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Answer:
    """An answer, ready to be sent."""

    status: int
    body: bytes
    headers: list[tuple[str, str]]

    @cached_property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The same as ASGI wants them."""
        return [(name.lower().encode(), value.encode()) for name, value in self.headers]


class Answers:
    """All that a door says. Made once: most pings are answered with the very same `ok`."""

    def __init__(self, body_limit: int) -> None:
        self._always = {**_ALWAYS, "Ping-Body-Limit": str(body_limit)}
        self.ok = self.make(200, "OK")
        self.created = self.make(201, "Created")
        self.unknown = self.make(404, "not found")
        self.again = self.make(503, "try again shortly", {"Retry-After": "5"})
        self.method = self.make(405, "method not allowed: use GET, HEAD or POST", {"Allow": "GET, HEAD, POST"})
        self.preflight = self.make(
            204,
            "",
            {
                "Access-Control-Allow-Methods": "GET, HEAD, POST",
                "Access-Control-Allow-Headers": "*",
                "Access-Control-Max-Age": "86400",
            },
        )

    def bad(self, reason: str) -> Answer:
        """The request names a monitor, but says something that can't be."""
        return self.make(400, reason)

    def limited(self, seconds: int) -> Answer:
        """More came than may; in so many seconds one more will do."""
        return self.make(429, "rate limited", _retry_after(seconds))

    def of(self, outcome: Known | Refused) -> Answer:
        """What the sender of a ping with this outcome hears."""
        if isinstance(outcome, Known):
            return self.created if outcome.created else self.ok
        if outcome is UNKNOWN:
            return self.unknown
        return self.make(outcome.status, outcome.text, _retry_after(outcome.retry_after))

    def make(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
        """An answer of this door: with what all of them have."""
        body = text.encode()
        # RFC 9110 §8.6: a 204 has no length, not even 0.
        length = {} if status == 204 else {"Content-Length": str(len(body))}
        return Answer(status, body, list({**self._always, **(headers or {}), **length}.items()))


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(max(1, seconds))}
