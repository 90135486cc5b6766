"""What services say to a message, read with care: they are strangers too, and a proxy may speak in their stead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from tokiflow.channels import text
from tokiflow.channels.message import RESPONSE_LIMIT, Receipt
from tokiflow.channels.outside import Answer
from tokiflow.errors import DeliveryError

SHORTEST_SECRET = 8
END_TRIES = 3


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


def receipt(answer: Answer, by: str, secret: str, why: str, *, permanent: bool) -> Receipt:
    """That the service called `by` took it. Raises DeliveryError otherwise, with what it says itself of `why`."""
    response = shown(answer, (secret,))
    if ok(answer):
        return Receipt(answer.status_code, response or "Taken")
    said = text.line(text.without(why, (secret,)) or response, 300) or "nothing"
    raise DeliveryError(
        f"{by} answered {answer.status_code}: {said}",
        permanent=permanent,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=response,
    )


def ended(end: Callable[[], Receipt], by_hand: str) -> Receipt:
    """The receipt of what ends a test that has paged somebody: tried up to three times, at once.

    A test that failed is not tried again later, so the error says in `by_hand` what is left to do.
    """
    for left in reversed(range(END_TRIES)):
        try:
            return end()
        except DeliveryError as error:
            if not left or error.permanent:
                said = f"The test arrived, and could not be ended: {error.message}. {by_hand}"
                raise DeliveryError(said, status_code=error.status_code, response=error.response) from None
    raise AssertionError("the last try returns or raises")
