"""The one way to commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from tokiflow.core import ids
from tokiflow.db import at_end, db, in_transaction, on_commit, transaction
from tokiflow.models import BlindSpell, Organization


def an_organization() -> Organization:
    return Organization(id=ids.new(), name="Harbour Freight", slug="harbour-freight")


def kept() -> int:
    db.session.rollback()
    return len(db.session.execute(select(Organization)).all())


def change_of_mind(callback: Callable[[], object]) -> None:
    """An organization made in an inner transaction, and then an outer one that fails."""
    with transaction():
        on_commit(callback)
        with transaction():
            db.session.add(an_organization())
        raise RuntimeError("changed my mind")


def test_an_inner_transaction_joins_the_outer_one(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):
        change_of_mind(lambda: None)
    assert kept() == 0
    assert not in_transaction()


def test_what_waits_for_the_commit_happens_after_it_and_never_without(app: Flask) -> None:
    rung: list[str] = []
    with pytest.raises(RuntimeError, match="changed my mind"):
        change_of_mind(lambda: rung.append("never"))
    with transaction():
        db.session.add(an_organization())
        on_commit(lambda: rung.append(f"{kept()} kept, inside: {in_transaction()}"))
        assert rung == []
    assert rung == ["1 kept, inside: False"]


def test_a_bell_that_breaks_does_not_undo_what_is_on_disk(app: Flask) -> None:
    rung: list[str] = []
    with transaction():
        db.session.add(an_organization())
        on_commit(lambda: 1 / 0)
        on_commit(lambda: rung.append("the next one"))
    assert kept() == 1
    assert rung == ["the next one"]


def test_outside_of_a_transaction_there_is_no_commit_to_wait_for(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="outside"):
        on_commit(lambda: None)


def test_a_naive_time_never_reaches_the_database(app: Flask) -> None:
    with pytest.raises(StatementError, match="naive"), transaction():
        db.session.add(BlindSpell(id=ids.new(), started_at=datetime(2026, 11, 20)))  # noqa: DTZ001


def test_a_machine_that_says_nothing_is_given_up(app: Flask) -> None:
    """Or the writer of pings would wait for it for hours, long after another has taken its place."""
    raw = db.session.connection().connection.driver_connection
    assert raw is not None
    told = raw.info.get_parameters()
    assert (told["keepalives_idle"], told["keepalives_interval"], told["keepalives_count"]) == ("10", "5", "3")
    assert told["tcp_user_timeout"] == "20000"


def test_what_is_for_the_end_is_written_last_and_together(app: Flask) -> None:
    written: list[list[int]] = []
    with transaction():
        at_end(written.append, 1)
        with transaction():
            at_end(written.append, 2)
        assert written == []
    assert written == [[1, 2]]

    def fail() -> None:
        with transaction():
            at_end(written.append, 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with transaction():
        pass
    assert written == [[1, 2]]
    with pytest.raises(RuntimeError, match="outside"):
        at_end(written.append, 4)
