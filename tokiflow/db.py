"""The database: one `db`, one way to commit, one rule for time.

`with transaction():` is the only commit in the house. It joins an outer one, so services may call services.
What must happen only when the rows are really there (ringing the doorbell) goes into `on_commit`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import structlog
from flask_sqlalchemy import SQLAlchemy
from psycopg.errors import DeadlockDetected
from sqlalchemy import ARRAY, ColumnElement, DateTime, Dialect, Executable, MetaData, any_, bindparam, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

log = structlog.get_logger()

T = TypeVar("T")

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """`timestamptz` that refuses naive datetimes and always gives back aware UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a naive datetime reached the database: {value!r}")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base, disable_autonaming=True)

if TYPE_CHECKING:
    # What db.Model is, said in a way that type checkers understand.
    class Model(Base):
        __abstract__ = True
else:
    Model = db.Model


@dataclass
class _Open:
    """What the outermost transaction still has to do: `at_end` before it commits, `after` when it has."""

    at_end: dict[Callable[[Any], object], list[Any]] = field(default_factory=dict)
    after: list[Callable[[], object]] = field(default_factory=list)


_open: ContextVar[_Open | None] = ContextVar("open_transaction", default=None)


def in_transaction() -> bool:
    """Whether a `transaction()` is open here. The outbound client asks before it touches the network."""
    return _open.get() is not None


@contextmanager
def transaction() -> Iterator[None]:
    """Commit at the end, roll back on any error. Inside another `transaction()` it joins that one."""
    if in_transaction():
        yield
        return
    opened = _Open()
    token = _open.set(opened)
    try:
        yield
        while opened.at_end:
            write, items = opened.at_end.popitem()
            write(items)
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _open.reset(token)
    for callback in opened.after:
        _call(callback)


def _call(callback: Callable[[], object]) -> None:
    """Call it; if it fails, say so and go on. The commit stands, and whoever committed must not take it for undone:
    a ping would be recorded twice."""
    try:
        callback()
    except Exception:
        log.exception("after_commit_failed")


def again_after_deadlock(do: Callable[[], T], tries: int = 3) -> T:
    """What `do`, a whole transaction, gives back. If PostgreSQL ends it because it waited in a ring with others, they
    have gone on meanwhile, and it is done anew."""
    for _ in range(tries - 1):
        try:
            return do()
        except OperationalError as error:
            if not isinstance(error.orig, DeadlockDetected):
                raise
    return do()


def changed(statement: Executable, values: dict[str, Any] | None = None) -> int:
    """Carry out an update or delete; how many rows it changed. What the session holds of them is not told."""
    result = db.session.execute(statement.execution_options(synchronize_session=False), values or {})
    return int(getattr(result, "rowcount"))  # noqa: B009 - results of statements that change have one


def among(column: Any, values: Collection[object]) -> ColumnElement[bool]:
    """Whether `column` is one of `values`, which are one parameter: so the statement is the same for any number of
    them, and is planned once. `in_` has a parameter for each."""
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))  # type: ignore[no-any-return]


def by_index() -> None:
    """For the rest of this transaction PostgreSQL reads by index also what looks like a handful of rows.

    Plans are kept, those behind foreign keys for as long as the connection lives. One that was made while a table was
    all but empty reads it from end to end for each of a thousand rows that a storm writes.
    """
    db.session.execute(_BY_INDEX)


_BY_INDEX = text("set local enable_seqscan = off")


def on_commit(callback: Callable[[], object]) -> None:
    """Call `callback` once the outermost transaction is on disk; never if it rolls back."""
    _opened("on_commit").after.append(callback)


def at_end(write: Callable[[list[T]], object], item: T) -> None:
    """Call `write`, once, with all items given for it, as the last thing the outermost transaction does before it
    commits: for a row that many transactions want to lock. Whoever locks it last waits for nobody while holding it."""
    _opened("at_end").at_end.setdefault(write, []).append(item)


def _opened(what: str) -> _Open:
    opened = _open.get()
    if opened is None:
        raise RuntimeError(f"{what}() outside of a transaction()")
    return opened


_GIVES_UP = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""A database whose machine is gone says nothing at all. Linux would wait for it for hours; we do for 25 seconds."""


def engine_options(threads: int) -> dict[str, Any]:
    """Connection pool for a process with `threads` threads: one connection each, checked before use."""
    return {
        "pool_size": threads,
        "max_overflow": 4,
        "pool_pre_ping": True,
        "pool_recycle": 1800,
        "json_deserializer": orjson.loads,
        # Parameters hold tokens and output; errors must not carry them into logs.
        "hide_parameters": True,
        "connect_args": {
            "connect_timeout": 5,
            "options": "-c timezone=utc -c lock_timeout=10000 -c jit=off",
            **_GIVES_UP,
        },
    }
