"""How `tokiflow run` speaks to a ping URL: patient, bounded in time, and never showing the token.

Standard library only: it runs beside people's cron jobs, where every import is paid for each time.
"""

from __future__ import annotations

import email.utils
import http.client
import random
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from tokiflow import __version__

DEFAULT_BASE = "http://127.0.0.1:8000"
MASK = "***"
TRANSIENT = {408, 425, 429}
LONGEST_TRY = 10.0
LONGEST_PAUSE = 8.0
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}(/[A-Za-z0-9._-]{1,128})?")


class Unusable(Exception):
    """The monitor given is no ping URL and no token. The sentence says what to write, and shows no secret."""


@dataclass(frozen=True)
class PingUrl:
    """Where one monitor is pinged. `query` is what the URL given already asked for."""

    address: str
    query: str = ""

    @classmethod
    def resolve(cls, monitor: str, environ: Mapping[str, str]) -> PingUrl:
        """From a whole ping URL, or from a token (or `ping-key/slug`) and TOKIFLOW_URL or PUBLIC_URL.

        Raises Unusable.
        """
        monitor = monitor.strip()
        if not monitor:
            raise Unusable("no monitor given: use --monitor or set TOKIFLOW_MONITOR to a ping URL or token")
        if "://" in monitor:
            return cls._parse(monitor, "the monitor")
        if not _TOKEN.fullmatch(monitor):
            raise Unusable("the monitor is neither a ping URL (https://...) nor a ping token")
        name = "TOKIFLOW_URL" if environ.get("TOKIFLOW_URL") else "PUBLIC_URL"
        base = cls._parse(environ.get(name) or DEFAULT_BASE, name)
        return cls(f"{base.address}/ping/{monitor}")

    @classmethod
    def _parse(cls, text: str, what: str) -> PingUrl:
        try:
            parts = urllib.parse.urlsplit(text)
            usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable or not text.isascii() or re.search(r"[\x00-\x20\x7f]", text):
            raise Unusable(f"{what} is not a URL that begins with http:// or https://")
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", parts.query)

    def signal(self, name: str, parameters: Mapping[str, str]) -> str:
        """The URL for one signal (`start`, an exit code) with its query parameters."""
        query = "&".join(part for part in (self.query, urllib.parse.urlencode(parameters)) if part)
        return f"{self.address}/{name}?{query}"

    def __str__(self) -> str:
        """Fit to be shown: host and shape, but neither token nor password nor query."""
        parts = urllib.parse.urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        path, found = re.subn(r"(/ping)/[^/]+", rf"\1/{MASK}", parts.path)
        return f"{parts.scheme}://{host}{path if found else '/' + MASK}"


@dataclass(frozen=True)
class Answer:
    """What came of one try: a status and its reason, or neither and why not. `wait` is what Retry-After asked."""

    status: int = 0
    reason: str = ""
    wait: float = 0.0

    @property
    def kept(self) -> bool:
        return 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether trying again cannot change it."""
        return self.kept or (300 <= self.status < 500 and self.status not in TRANSIENT)


def send(url: PingUrl, name: str, parameters: Mapping[str, str], body: bytes, *, budget: float, tries: int) -> str:
    """POST one signal until it is kept, refused, tried `tries` times, or `budget` seconds have passed.

    Returns why it was not kept, in words fit to be shown, or the empty string.
    """
    target, deadline = url.signal(name, parameters), time.monotonic() + budget
    pause = 0.5
    for attempt in range(1, tries + 1):
        answer = _post(target, body, timeout=min(LONGEST_TRY, budget / 2, max(0.1, deadline - time.monotonic())))
        if answer.status == 413 and body:
            # Better a result without its output than none.
            body = b""
            continue
        wait = max(answer.wait, pause * random.uniform(0.8, 1.2))
        if answer.final or attempt == tries or time.monotonic() + wait >= deadline:
            break
        time.sleep(wait)
        pause = min(LONGEST_PAUSE, pause * 2)
    return _verdict(url, answer)


def _verdict(url: PingUrl, answer: Answer) -> str:
    if answer.kept:
        return ""
    if answer.status == 404:
        return f"{url} knows no such monitor (404): is the token right, or was it rotated?"
    if answer.status:
        return f"{url} answered {answer.status} {answer.reason}".rstrip()
    return f"{url} could not be reached ({answer.reason})"


def _post(target: str, body: bytes, timeout: float) -> Answer:
    request = urllib.request.Request(
        target,
        data=body,
        method="POST",
        headers={"User-Agent": f"tokiflow-run/{__version__}", "Content-Type": "text/plain"},
    )
    try:
        with _opener.open(request, timeout=timeout) as response:
            return Answer(response.status)
    except urllib.error.HTTPError as error:
        with error:
            wait = _seconds(error.headers.get("Retry-After", ""))
            return Answer(error.code, http.client.responses.get(error.code, ""), wait)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(reason=_why(error))


def _why(error: Exception) -> str:
    """The cause without the URL that some of these exceptions carry in their text."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return "timed out"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__


def _seconds(retry_after: str) -> float:
    """Retry-After as seconds from now (RFC 9110 §10.2.3: seconds or a date); 0 for none or nonsense."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


class _KeepPosting(urllib.request.HTTPRedirectHandler):
    """Follows a redirect (http → https, mostly) with the same method and body; never from https to http."""

    def redirect_request(  # type: ignore[no-untyped-def]  # the signature is the standard library's
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            return None
        return urllib.request.Request(newurl, data=req.data, method=req.get_method(), headers=dict(req.header_items()))


_opener = urllib.request.build_opener(_KeepPosting)
