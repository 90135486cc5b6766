"""Ping by name, `/ping/<ping key>/<slug>`: what such an address says, and which monitors it means.

Decided in docs/decisions/011-ping-by-name.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from tokiflow.core import monitor_draft

_NUMBERS = range(2, 10)


@dataclass(frozen=True)
class Named:
    """A monitor as an address names it. With `create`, it is made if there is none."""

    key: str
    slug: str
    create: bool = False


class Known(NamedTuple):
    """The monitor that was meant: its ping token, and whether it was made just now."""

    token: str
    created: bool = False


class Refused(NamedTuple):
    """No monitor, and what is answered instead: an HTTP status, a text, and after how many seconds to come again."""

    status: int
    text: str
    retry_after: int | None = None


UNKNOWN = Refused(404, "not found")
AMBIGUOUS = Refused(409, "ambiguous slug")


def spellings(slug: str) -> tuple[str, ...]:
    """The slugs that monitors meant by `slug` may have: itself, and itself with the number of a second, third…

    Up to the ninth: where there are more, these are enough to see that it is ambiguous.
    """
    return slug, *(f"{slug}-{number}" for number in _NUMBERS)


def means(asked: str, slug: str, name: str) -> bool:
    """Whether `asked` means the monitor with this `slug` and `name`.

    It does if it is the slug, or if the slug was made from a name that gives `asked`, and has a number only because
    another monitor had been there first.
    """
    return slug == asked or (slug in spellings(asked) and monitor_draft.slug_from(name) == asked)


def name_from(slug: str) -> str:
    """What a monitor made by a ping is called: `nightly-backup` → `Nightly backup`."""
    words = re.sub(r"[-_]+", " ", slug).strip()
    return words[:1].upper() + words[1:]
