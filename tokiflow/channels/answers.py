"""What services say to a message, read with care: they are strangers too, and a proxy may speak in their stead."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokiflow.channels import text
from tokiflow.channels.message import RESPONSE_LIMIT
from tokiflow.channels.outside import Answer

SHORTEST_SECRET = 8


def parsed(answer: Answer) -> dict[str, Any]:
    """The JSON object that was answered; empty for anything else."""
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def shown(answer: Answer, secrets: Iterable[str]) -> str:
    """What was answered, fit to be kept and shown: bounded, and without `secrets`, which an error page may repeat."""
    # Shorter ones are words that happen to stand in a path.
    long_enough = [one for one in secrets if len(one) >= SHORTEST_SECRET]
    return text.truncate(text.without(answer.text.strip(), long_enough), RESPONSE_LIMIT)


def longest_wait(answer: Answer, named: object) -> float | None:
    """Seconds to wait: what the header asks for or what the body `named`, whichever is longer."""
    waits = [answer.retry_after, named if isinstance(named, int | float) and not isinstance(named, bool) else None]
    return max((float(wait) for wait in waits if wait is not None), default=None)


def ok(answer: Answer) -> bool:
    """Whether the answer says that it arrived."""
    return 200 <= answer.status_code < 300
