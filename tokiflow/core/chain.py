"""A log that shows when it was changed: each link's hash is made of the link itself and the hash before it.

HMAC-SHA256 with a key of the chain's own (RFC 2104), so that whoever can write into the table but has no key can't make
a new chain that fits. What an event says in words (names, addresses, what changed) has a hash of its own, which the
link holds: when a person's data must go, the words go, the chain stays, and a later link says that they were taken out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

REDACTED = "audit.redacted"
"""What the link says that lets words go; `after.events` are the numbers of those that lost theirs."""


@dataclass(frozen=True)
class Link:
    """An event in its place. `fixed` is who, what and when, in ids; `words` is all that people wrote."""

    n: int
    fixed: Mapping[str, Any]
    words: Mapping[str, Any]
    words_hash: str
    hash: str


@dataclass(frozen=True)
class Break:
    """Where the chain does not hold. `kind`: altered · removed · inserted."""

    kind: str
    n: int
    said: str


def words_hash(key: bytes, words: Mapping[str, Any]) -> str:
    """The hash of what an event says in words, in hex."""
    return _hmac(key, _canonical(words))


def link_hash(key: bytes, previous: str, n: int, fixed: Mapping[str, Any], words: str) -> str:
    """The hash of link number `n` after the one whose hash is `previous`; `words` is its `words_hash`. In hex."""
    return _hmac(key, f"{previous}\n{n}\n{words}\n{_canonical(fixed)}")


@dataclass(frozen=True)
class End:
    """An end of a chain: the number and the hash of the link there, 0 and "" before the first."""

    n: int
    hash: str


def breaks(
    key: bytes, links: Iterable[Link], begin: End, end: End, redacted: Collection[int] = (), *, whole: bool = True
) -> Iterator[Break]:
    """Whatever does not hold in `links`, in their order, which follow `begin` and should lead to `end`.

    redacted: numbers of the links whose words were taken out, as links of this very chain say.
    whole: false for a stretch of a long chain, which others follow.
    """
    at = begin
    for link in links:
        if link.n > end.n:
            yield Break("inserted", link.n, f"Event {link.n} was written by somebody else: {end.n} is the last of ours")
            continue
        if link.n != at.n + 1:
            yield Break("removed", at.n + 1, f"{_counted(link.n - at.n - 1)} gone before event {link.n}")
        elif not _same(link_hash(key, at.hash, link.n, link.fixed, link.words_hash), link.hash):
            yield Break("altered", link.n, f"Event {link.n} is not as it was written")
        if not _says_what_was_written(key, link, redacted):
            yield Break("altered", link.n, f"Event {link.n} does not say what was written")
        at = End(link.n, link.hash)
    if not whole:
        return
    if at.n < end.n:
        yield Break("removed", at.n + 1, f"{_counted(end.n - at.n)} gone from the end: {end.n} should be the last")
    elif not _same(at.hash, end.hash):
        yield Break("altered", at.n, f"Event {at.n} is not the one that was written last")


def _says_what_was_written(key: bytes, link: Link, redacted: Collection[int]) -> bool:
    # One that lets words go has to keep its own, or it could excuse itself.
    excused = link.n in redacted and link.fixed["what"] != REDACTED
    return excused or _same(words_hash(key, link.words), link.words_hash)


def _counted(count: int) -> str:
    return "One event is" if count == 1 else f"{count} events are"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _canonical(value: Mapping[str, Any]) -> str:
    """One text for one value, also after PostgreSQL has kept it as jsonb, which knows no order of keys and no 1.0."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
