"""What people see when something of ours is away."""

from __future__ import annotations

from typing import NoReturn

import pytest
from sqlalchemy.exc import OperationalError

from tokiflow.queries import sessions


@pytest.mark.parametrize("path", ["/app", "/nothing-here", "/"])
def test_without_the_database_the_page_says_so_to_whoever_is_signed_in(alice, client_for, monkeypatch, path):
    browser = client_for(alice)

    def away(*_: object) -> NoReturn:
        raise OperationalError("select", {}, ConnectionError("the server closed the connection"))

    monkeypatch.setattr(sessions, "signed_in", away)
    answer = browser.get(path)
    assert answer.status_code == 503
    assert "Tokiflow can’t reach its database" in answer.text
    assert "Nothing is lost. Try again in a few seconds." in answer.text
