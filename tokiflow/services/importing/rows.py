"""A line of a table’s file → a row as the database wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Column, Float, Integer, LargeBinary, String, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from tokiflow.db import UtcDateTime
from tokiflow.models.sealed import SealedJson
from tokiflow.services.exporting.tables import Part
from tokiflow.services.importing.archive import BadArchive


@dataclass(frozen=True)
class Row:
    """A line of a table's file."""

    part: Part
    line: Mapping[str, Any]

    def read(self) -> dict[str, Any]:
        """Its columns as the database wants them. Raises BadArchive for missing, unknown and ill-fitting ones."""
        wanted = {column.name: column for column in self.part.columns}
        if unknown := sorted(set(self.line) - set(wanted)):
            raise self._bad(f"{unknown[0][:40]} is no column that this version knows")
        if missing := sorted(set(wanted) - set(self.line)):
            raise self._bad(f"{missing[0]} is missing")
        return {name: self._value(column, self.line[name]) for name, column in wanted.items()}

    def _value(self, column: Column[Any], given: Any) -> Any:
        if given is None:
            if not column.nullable:
                raise self._bad(f"{column.name} is empty")
            return None
        try:
            return fitting(column, given)
        except (ValueError, TypeError):
            raise self._bad(f"{column.name} can’t be read") from None

    def _bad(self, why: str) -> BadArchive:
        return BadArchive(f"A row of tables/{self.part.name}.jsonl can’t be taken: {why}.")


def fitting(column: Column[Any], given: Any) -> Any:
    """What JSON says, as the column wants it. Raises TypeError or ValueError for what does not fit."""
    kind = column.type
    if isinstance(kind, Uuid):
        return UUID(_is(given, str))
    if isinstance(kind, UtcDateTime):
        return moment(given)
    if isinstance(kind, LargeBinary):
        raise TypeError("bytes are in files")
    if isinstance(kind, JSONB | SealedJson):
        return _is(given, dict, list)
    if isinstance(kind, ARRAY):
        return _is(given, list)
    if isinstance(kind, Boolean):
        return _is(given, bool)
    if isinstance(kind, Integer):
        return _is(given, int)
    if isinstance(kind, Float):
        return _finite(given)
    assert isinstance(kind, String), kind
    text: str = _is(given, str)
    if "\x00" in text or (kind.length is not None and len(text) > kind.length):
        raise ValueError(column.name)
    return text


def moment(given: str) -> datetime:
    """A time with its zone. Raises ValueError."""
    found = datetime.fromisoformat(given)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found


def _finite(given: Any) -> float:
    number = float(_is(given, int, float))
    if not isfinite(number):
        raise ValueError("no number")
    return number


def _is(given: Any, *kinds: type) -> Any:
    if not isinstance(given, kinds) or (isinstance(given, bool) and bool not in kinds):
        raise TypeError
    return given
