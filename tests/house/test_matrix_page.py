"""docs/roles.md says what the routes and the table of roles say."""

from __future__ import annotations

from flask import Flask

from tests.house import matrix
from tests.house.test_access import stops


def test_the_page_is_as_the_code_is(app: Flask) -> None:
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.page(app), "python -m tests.house.matrix"


def test_everything_a_view_does_is_said_in_a_sentence(app: Flask) -> None:
    silent = [str(stop) for stop in stops(app) if not stop.does.endswith((".", "?"))]
    assert silent == []
