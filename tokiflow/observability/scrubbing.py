"""Secrets and personal data out of what we say about ourselves: logs and error reports.

This is the last guard, not the first: code that logs names ids and never bodies, tokens or secrets. It works by
the form of a secret and by the name it goes under, on text and inside of any nest of values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

MASK = "***"
DEPTH = 8

# A slash as itself or inside another URL's query; the end of a path segment. `<token>` of a route pattern stays.
_SLASH = r"(?:/|%2[Ff])"
_SEGMENT = r"[^/\s?#\"'<>&%,;)\\]+"

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # /ping/<token>, /auth/link/<token>, /invitations/<token>, /confirm/<token>, /unsubscribe/<token>
    (
        re.compile(
            rf"({_SLASH}(?:ping|auth{_SLASH}link|invitations|confirm|unsubscribe){_SLASH})(?:{_SEGMENT}|%(?!2[Ff]))+"
        ),
        r"\1",
    ),
    (re.compile(rf"(hooks\.slack\.com{_SLASH}(?:services|workflows|triggers){_SLASH})[^\s\"'<>?#&,;)\\]+"), r"\1"),
    (re.compile(rf"(discord(?:app)?\.com{_SLASH}api{_SLASH}webhooks{_SLASH})[^\s\"'<>?#&,;)\\]+"), r"\1"),
    (re.compile(r"\b(?:tfk_[0-9A-Za-z_]+|pk_[0-9A-Za-z]{22}\b)"), ""),
    # scheme://user:password@host; greedy, so that an @ inside of the password belongs to it
    (re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@\"'<>]{0,256}:)[^\s/\"'<>]{0,1024}(?=@)"), r"\1"),
    (re.compile(r"(?i)((?:proxy-)?authorization[\"']?\s*[:=,]\s*(?:b?[\"'])?)[^\"'\r\n]+"), r"\1"),
    (re.compile(r"(?i)((?:set-)?cookie[\"']?\s*[:=,]\s*(?:b?[\"'])?)[^\"'\r\n]+"), r"\1"),
    (re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}"), r"\1"),
    # token=…, "password": "…", Key (token)=(…)
    (
        re.compile(
            r"(?i)((?:token|secret|passw(?:or)?d|passwd|api[_-]?key|secret[_-]?key|signature)[\"')]{0,2}\s*[=:]\s*[\"'(]?)"
            r"(?!\s|None\b|null\b|<)[^\s\"'&,;)]+"
        ),
        r"\1",
    ),
    # A ping token by itself: 22 letters and digits of all three sorts
    (
        re.compile(
            r"(?<![0-9A-Za-z_-])(?=[^\W_]{0,21}[0-9])(?=[^\W_]{0,21}[A-Z])(?=[^\W_]{0,21}[a-z])"
            r"[0-9A-Za-z]{22}(?![0-9A-Za-z_-])"
        ),
        "",
    ),
)
# No top-level domain begins with a digit, and a release (tokiflow@0.1.0) is no address.
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}(?:@|%40)(?:[A-Za-z0-9-]{1,63}\.){1,10}[A-Za-z][A-Za-z0-9-]*"
)
_QUERY = re.compile(r"(\bhttps?://[^\s\"'<>?#]{0,2000})[?#][^\s\"'<>]*")
_SECRET_NAME = re.compile(
    r"(?i)(authorization|cookie|passw(or)?d|passwd|secret|^token$|_token$|^token_|api[_-]?key|access[_-]?key|signature"
    r"|session_?id|smtp_url|database_url|redis_url|sentry_dsn|webhook_url)"
)
_PLAIN = (bool, int, float, UUID, datetime, date, time, timedelta, type(None))

Scrub = Callable[[str], str]


def secrets(text: str) -> str:
    """`text` without ping tokens, sign-in links, API keys, passwords, headers that prove who one is, webhook URLs."""
    for pattern, kept in _SECRETS:
        text = pattern.sub(kept + MASK, text)
    return text


def personal(text: str) -> str:
    """`text` without secrets, e-mail addresses and the queries of URLs."""
    return _EMAIL.sub(MASK, _QUERY.sub(rf"\1?{MASK}", secrets(text)))


def value(item: Any, scrub: Scrub = secrets, depth: int = DEPTH) -> Any:
    """`item` with `scrub` applied to every text in it, and whatever goes by a secret's name masked.

    Mappings become dicts, sequences lists (tuples stay), bytes text; anything unknown becomes its repr. What is
    nested deeper than `depth` is masked: it cannot be looked through.
    """
    if isinstance(item, str):
        return scrub(str(item))
    if isinstance(item, _PLAIN):
        return item
    if depth == 0:
        return MASK
    if isinstance(item, bytes | bytearray):
        return scrub(item.decode("utf-8", "replace"))
    if isinstance(item, Mapping):
        return {scrub(str(name)): _named(str(name), inner, scrub, depth) for name, inner in item.items()}
    if isinstance(item, tuple):
        return tuple(value(inner, scrub, depth - 1) for inner in item)
    if isinstance(item, list | set | frozenset):
        return [value(inner, scrub, depth - 1) for inner in item]
    return scrub(repr(item))


def _named(name: str, item: Any, scrub: Scrub, depth: int) -> Any:
    if _SECRET_NAME.search(name) and not isinstance(item, _PLAIN):
        return MASK
    return value(item, scrub, depth - 1)
