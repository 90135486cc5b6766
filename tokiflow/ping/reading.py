"""What a request to the ping door says. Pure: parts of a request in, a ping or the reason why not out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qs
from uuid import UUID

from tokiflow.core import redaction, signals, tokens
from tokiflow.core.monitor_draft import SLUG
from tokiflow.core.names import Named
from tokiflow.core.signals import Ping, Signal

PREFIXES = ("/ping/", "/api/ping/")
METHODS = frozenset({"GET", "HEAD", "POST"})
LONGEST_QUERY = 8_192
LONGEST_MESSAGE = 1_000
LONGEST_ENVIRONMENT = 100
WORDS = frozenset(signal.value for signal in Signal)
# A ping token and perhaps a word: what nearly all pings are, told at one glance. `address` says the same of them.
_PLAIN = re.compile(r"/(?:api/)?ping/([0-9A-Za-z]{22})(?:/(start|success|fail|log|[0-9]{1,3}))?/?\Z")
_FIRST = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
# Python's UUID would also take underscores and the digits of other scripts.
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)([0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}\Z")


class BadPing(ValueError):
    """The request names a monitor, but says something that can't be. The text is the answer's reason."""


class NotAPing(BadPing):
    """The path has not the form of a ping at all."""


class Address(NamedTuple):
    """Where a ping goes, to a token or to a name, and what the path says after it."""

    to: str | Named
    word: str = ""


def address(path: str, query: str = "") -> Address:
    """Where a ping to `path` goes. Raises NotAPing, or BadPing for a `create` that makes no sense.

    ::

        /ping/<token>[/<word>][/]               word: start, success, fail, log or an exit code
        /ping/<ping key>/<slug>[/<word>][/]     with ?create=1 the monitor is made if there is none

    What has the form of a ping key is one, and a slug follows it, even if that is called `fail`. What has the form of
    a token is one, and only a word may follow it. Anything else was made by nobody here; it is taken for a token where
    nothing or a word follows, and for a key where a slug does, and found to be unknown.
    """
    if plain := _PLAIN.match(path):
        return Address(plain[1], plain[2] or "")
    first, *rest = _parts(path)
    if tokens.looks_like_ping_key(first) or (not tokens.looks_like_ping_token(first) and _begins_with_a_slug(rest)):
        return _by_name(first, rest, query)
    if len(rest) > 1:
        raise NotAPing("invalid url format")
    return Address(first, rest[0] if rest else "")


def _parts(path: str) -> list[str]:
    prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix)), None)
    if prefix is None:
        raise NotAPing("invalid url format")
    parts = path[len(prefix) :].removesuffix("/").split("/")
    if len(parts) > 3 or not _FIRST.match(parts[0]):
        raise NotAPing("invalid url format")
    return parts


def _begins_with_a_slug(rest: list[str]) -> bool:
    return len(rest) == 2 or (len(rest) == 1 and not _is_a_word(rest[0]))


def _is_a_word(text: str) -> bool:
    return text in WORDS or text == "" or (text.isascii() and text.isdigit())


def _by_name(key: str, rest: list[str], query: str) -> Address:
    slug, word = [*rest, "", ""][:2]
    if not SLUG.fullmatch(slug):
        raise NotAPing("invalid url format: a slug has 1 to 100 lower-case letters, digits, - or _")
    return Address(Named(key, slug, _wants_creation(query)), word)


def _wants_creation(query: str) -> bool:
    said = _last(_query(query), "create").lower()
    if said not in ("1", "true", "yes", "0", "false", "no", ""):
        raise BadPing("bad create: write 1 to have the monitor made if there is none, else 0")
    return said in ("1", "true", "yes")


def read(word: str, query: str, method: str, at: datetime, headers: Mapping[str, str], source: str) -> Ping:
    """The ping that the rest of the path (`word`) and the query string say, without its body.

    `headers` are lower-cased. Unknown query parameters are ignored; of a parameter given twice the last counts,
    but `metric` may repeat. Raises BadPing with the reason.
    """
    said = _query(query) if query else {}
    state, exit_code = _word(word)
    try:
        if exit_code is None and "exitCode" in said:
            exit_code = signals.parse_exit_code(said["exitCode"][-1])
        if state is None and "state" in said:
            state = _state(said["state"][-1])
        return Ping(
            signal=signals.decide(state, exit_code),
            at=at,
            rid=_rid(said),
            exit_code=exit_code,
            duration_ms=signals.parse_duration_ms(said["durationMs"][-1]) if "durationMs" in said else None,
            environment=clean(_last(said, "env"), LONGEST_ENVIRONMENT),
            message=clean(_last(said, "msg"), LONGEST_MESSAGE),
            progress=signals.parse_progress(
                _maybe(said, "progress"),
                _maybe(said, "step"),
                _maybe(said, "total"),
                clean(_last(said, "step_name"), 200),
            ),
            metrics={clean(name, 100): value for name, value in signals.parse_metrics(said.get("metric", [])).items()},
            method=method,
            source=_clean(source[:100], 60),
            user_agent=_clean(headers.get("user-agent", "")[:400], 200),
        )
    except BadPing:
        raise
    except ValueError as error:
        raise BadPing(str(error)) from None


def clean(text: str, longest: int) -> str:
    """`text` as it may be kept: no NUL, no half characters, no secret, one line, at most `longest` characters."""
    if not text:
        return ""
    text = text.encode("utf-8", "replace").decode("utf-8", "replace").replace("\x00", "")
    return " ".join(redaction.redact_text(text).split())[:longest]


# The same few agents and addresses come again and again.
_clean = lru_cache(maxsize=4096)(clean)


def _word(word: str) -> tuple[str | None, int | None]:
    """The path's last part as a state or an exit code."""
    if not word:
        return None, None
    if word.isascii() and word.isdigit():
        try:
            return None, signals.parse_exit_code(word)
        except ValueError:
            raise BadPing("invalid url format: an exit code is a whole number from 0 to 255") from None
    return _state(word, BadPing("invalid url format: the last part is start, success, fail, log or an exit code")), None


def _state(text: str, otherwise: BadPing | None = None) -> str:
    if text not in WORDS:
        raise otherwise or BadPing("bad state: write start, success, fail or log")
    return text


def _query(query: str) -> dict[str, list[str]]:
    if len(query) > LONGEST_QUERY:
        raise BadPing(f"query too long: send at most {LONGEST_QUERY} characters, and the rest as the body")
    try:
        return parse_qs(query, keep_blank_values=True, errors="replace", max_num_fields=200)
    except ValueError:
        raise BadPing("too many query parameters: send at most 200") from None


def _rid(said: Mapping[str, list[str]]) -> UUID | None:
    text = _last(said, "rid") or _last(said, "run")
    if text and not _UUID.match(text):
        raise BadPing("invalid uuid format")
    return UUID(text) if text else None


def _last(said: Mapping[str, list[str]], name: str) -> str:
    return said[name][-1] if name in said else ""


def _maybe(said: Mapping[str, list[str]], name: str) -> str | None:
    return said[name][-1] if name in said else None
