"""Many rows in one statement, which is the same for any number of them: they are one parameter, a JSON array that
PostgreSQL takes apart. The session takes no part: in a storm its bookkeeping costs more than the database does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, inspect, text

from tokiflow.db import Model, db

References = Mapping[str, type[Model]]


def insert(model: type[Model], rows: Sequence[Mapping[str, Any]], while_there: References | None = None) -> list[UUID]:
    """Write these new rows, each of which names the same columns; the others get their defaults. The ids written.

    `while_there`: by column, what it refers to. A row is left out if that has been deleted meanwhile, and can't be
    deleted before the end of the transaction if not.
    """
    if not rows:
        return []
    references = tuple((name, there.__tablename__) for name, there in (while_there or {}).items())
    return list(_execute(_insert(model.__tablename__, tuple(rows[0]), references), rows).scalars())


def add(made: Sequence[Model], while_there: References | None = None) -> None:
    """The same for objects of one model. The session does not know them afterwards: what is changed in them later is
    not written."""
    if made:
        model = type(made[0])
        names = _names(model)
        rows = [{names[key]: value for key, value in vars(one).items() if key in names} for one in made]
        insert(model, rows, while_there)


def update(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the columns that `rows` name (each the same) to the rows of `model` with their `id`s."""
    if rows:
        _execute(_update(model.__tablename__, tuple(name for name in rows[0] if name != "id")), rows)


def _execute(statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> Any:
    return db.session.execute(statement, {"rows": orjson.dumps(rows).decode()})


@lru_cache
def _names(model: type[Model]) -> dict[str, str]:
    """By attribute: the column."""
    return {attribute.key: str(attribute.columns[0].name) for attribute in inspect(model).column_attrs}


@lru_cache
def _insert(table: str, names: tuple[str, ...], references: tuple[tuple[str, str], ...]) -> TextClause:
    columns = ", ".join(f'"{name}"' for name in names)
    there = " and ".join(_there(*one) for one in references) or "true"
    return text(
        f"insert into {table} ({columns}) select {columns} from {_rows(table)} given where {there} returning id"
    )


def _there(column: str, table: str) -> str:
    return f"({column} is null or exists (select from {table} where {table}.id = given.{column} for key share))"


@lru_cache
def _update(table: str, names: tuple[str, ...]) -> TextClause:
    columns = ", ".join(f'"{name}" = given."{name}"' for name in names)
    return text(f"update {table} set {columns} from {_rows(table)} given where {table}.id = given.id")


def _rows(table: str) -> str:
    return f"json_populate_recordset(cast(null as {table}), cast(:rows as json))"
