"""What an address (or a form) says under a name. It may say it several times: whoever reads only the first of them
answers a question that nobody has asked.

Filters say that they don't know which is meant (`said`); a mere choice of how a page looks is then the usual (`one`).
"""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.datastructures import MultiDict


def said(asked: Mapping[str, str], name: str) -> list[str]:
    """All that is said under this name, each once."""
    found = asked.getlist(name) if isinstance(asked, MultiDict) else [asked.get(name, "")]
    return [value for value in dict.fromkeys(found) if value]


def one(asked: Mapping[str, str], name: str) -> str:
    """What is said under this name; empty where nothing is, or not the same each time."""
    found = said(asked, name)
    return found[0] if len(found) == 1 else ""
