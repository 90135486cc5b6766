"""Everything that can go wrong in a way the caller should hear about: nouns with one parent.

`web`, `api` and `ping` each turn these into a page, a fragment, JSON or plain text in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TokiflowError(Exception):
    """The one parent. `status` is the HTTP status a door answers with; `title` is its headline."""

    status = 500
    title = "Something went wrong"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.title)
        self.message = message or self.title


class Malformed(TokiflowError):
    """The request could not be read at all: broken JSON, a wrong content type."""

    status = 400
    title = "The request could not be read"


class Unauthorized(TokiflowError):
    """Nobody is signed in, or the API key is missing, wrong, expired or revoked."""

    status = 401
    title = "Sign in first"


class Forbidden(TokiflowError):
    """Known, inside the organization, but without the right to do this."""

    status = 403
    title = "You may not do this"


class NotFound(TokiflowError):
    """It does not exist, or it belongs to someone else: the two must look the same."""

    status = 404
    title = "Not found"


class Conflict(TokiflowError):
    """Somebody else changed it first, or it already exists."""

    status = 409
    title = "Changed by someone else"


class Invalid(TokiflowError):
    """Fields that need another value. `fields` maps each to sentences saying what to write instead."""

    status = 422
    title = "Some fields need another value"

    def __init__(self, fields: dict[str, list[str]], message: str = "") -> None:
        super().__init__(message or "; ".join(f"{name}: {' '.join(why)}" for name, why in fields.items()))
        self.fields = fields


class RateLimited(TokiflowError):
    """Too many requests; try again in `retry_after` seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str = "", retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(TokiflowError):
    """We cannot keep our promise right now; try again in `retry_after` seconds."""

    status = 503
    title = "Try again shortly"

    def __init__(self, message: str = "", retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageError(Unavailable):
    """The store of outputs could not do it; trying again may help. `missing`: there is no such object."""

    title = "The store of outputs can’t be reached"

    def __init__(self, message: str = "", *, missing: bool = False) -> None:
        super().__init__(message, retry_after=30)
        self.missing = missing


class DeliveryError(TokiflowError):
    """One try to deliver an alert failed.

    `permanent` means trying again cannot help (a deleted webhook, a bad address) and disables the channel.
    `retry_after` is what the other side asked for, in seconds. `status_code` and `response` are what came back.
    `unreachable` says that the host itself did not answer, whoever had asked. `memory` and `refused` are as in
    channels.message.Receipt: what a try that failed halfway has already done.
    """

    status = 502
    title = "The message could not be delivered"

    def __init__(
        self,
        message: str = "",
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        status_code: int | None = None,
        response: str = "",
        unreachable: bool = False,
        memory: Mapping[str, Any] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.status_code = status_code
        self.response = response
        self.unreachable = unreachable
        self.memory = dict(memory or {})
        self.refused = dict(refused or {})
