"""A column of JSON that lies sealed in the database, but for what statements must be able to read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import structlog
from flask import current_app
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from tokiflow import errors
from tokiflow.core import sealing
from tokiflow.settings import Settings

log = structlog.get_logger()

SEALED = "$sealed"
"""The name under which everything else lies, as one sealed text."""


class Lost(dict[str, Any]):
    """What is left of a value that none of our keys opens. Whoever needs the rest is told what to do about it."""

    def __missing__(self, name: str) -> Any:
        raise errors.Unavailable(
            "This was sealed under another SECRET_KEY. Whoever operates this Tokiflow can give it back in "
            "TOKIFLOW_FORMER_SECRET_KEYS."
        )


class SealedJson(TypeDecorator[dict[str, Any]]):
    """An object of which all but the names in `open` is sealed (core.sealing). What lies there unsealed, from before,
    is read as it stands, and sealed when it is next written."""

    impl = JSONB
    cache_ok = True

    def __init__(self, open: Iterable[str] = ()) -> None:
        super().__init__()
        self.open = tuple(open)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if not isinstance(value, dict):
            return value
        hidden = {name: inner for name, inner in value.items() if name not in self.open}
        if not hidden:
            return value
        text = json.dumps(hidden, separators=(",", ":"))
        return {name: value[name] for name in self.open if name in value} | {SEALED: sealing.seal(text, _keys())}

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if not isinstance(value, dict) or SEALED not in value:
            return value
        shown = {name: inner for name, inner in value.items() if name != SEALED}
        try:
            return shown | json.loads(_unsealed(value[SEALED], _keys()))
        except ValueError:
            log.warning("sealed_value_unreadable")
            return Lost(shown)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self.impl_instance.coerce_compared_value(op, value)


@lru_cache(maxsize=4_096)
def _unsealed(text: str, keys: tuple[str, ...]) -> str:
    """Alerts read the same few configs again and again; each is opened once."""
    return sealing.unseal(text, keys)


def _keys() -> tuple[str, ...]:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.secret_keys
