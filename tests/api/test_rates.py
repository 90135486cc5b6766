"""How often a key may call, and that counting never stands in the way."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, make_key, problem
from tokiflow import extensions
from tokiflow.api import rates


@pytest.fixture
def _three_a_minute(app):
    app.config[rates.RATE] = "3 per minute"
    yield
    app.config[rates.RATE] = rates.USUAL


def test_each_answer_tells_what_is_left(program):
    response = program.get("/monitors")
    assert (response.headers["RateLimit-Limit"], response.headers["RateLimit-Remaining"]) == ("600", "599")
    assert 1 <= int(response.headers["RateLimit-Reset"]) <= 60
    assert program.get("/monitors?limit=0").headers["RateLimit-Remaining"] == "598"


@pytest.mark.usefixtures("_three_a_minute")
def test_one_too_many_is_told_when_to_come_back(program, client, organization):
    for _ in range(3):
        assert program.get("/monitors").status_code == 200
    response = program.get("/incidents")
    problem(response, 429)
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert response.headers["RateLimit-Remaining"] == "0"
    assert Program(client, make_key(organization)).get("/monitors").status_code == 200


@pytest.mark.usefixtures("_three_a_minute")
def test_without_redis_it_counts_in_the_process(app, program, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("redis is away")

    limiter = extensions.limiter
    monkeypatch.setattr(limiter._limiter, "hit", away)
    monkeypatch.setattr(limiter._storage, "check", lambda: False)
    try:
        assert [program.get("/monitors").status_code for _ in range(4)] == [200, 200, 200, 429]
    finally:
        limiter._storage_dead = False
