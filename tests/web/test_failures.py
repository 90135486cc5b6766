"""What people see when something of ours is away."""

from __future__ import annotations

from typing import NoReturn

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tokiflow.queries import sessions

AWAY = OperationalError("select", {}, ConnectionError("the server closed the connection"))


@pytest.mark.parametrize(
    ("path", "error"), [("/app", AWAY), ("/nothing-here", AWAY), ("/", AWAY), ("/app", PoolTimeout("all are busy"))]
)
def test_without_the_database_the_page_says_so_to_whoever_is_signed_in(alice, client_for, monkeypatch, path, error):
    browser = client_for(alice)

    def away(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(sessions, "signed_in", away)
    answer = browser.get(path)
    assert answer.status_code == 503
    assert "Tokiflow can’t reach its database" in answer.text
    assert "Nothing is lost. Try again in a few seconds." in answer.text
