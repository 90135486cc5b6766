"""The doorbell: whoever rings is not kept waiting by a Redis that is not well."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace

from flask import Flask

from tests.fixtures.database import Database
from tokiflow.core import ids
from tokiflow.queue import Job, enqueue, gather, gathered, ring_for_gathered


def app_with(redis_url: str) -> Flask:
    flask = Flask("bell")
    flask.extensions["tokiflow.settings"] = SimpleNamespace(redis_url=redis_url)
    return flask


def ring(flask: Flask) -> tuple[bool, float]:
    """Whether it was heard, and the seconds it took."""
    began = time.monotonic()
    with flask.app_context():
        return enqueue(Job.DELIVER, [ids.new()]), time.monotonic() - began


def test_a_bell_that_rings(empty_database: Database) -> None:
    assert ring(app_with(empty_database.redis_url))[0] is True


def test_a_redis_that_is_away_is_known_at_once_and_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    for _ in range(3):
        heard, seconds = ring(app_with(f"redis://127.0.0.1:{port}"))
        assert (heard, seconds < 1) == (False, True)


def test_a_redis_that_hangs_is_waited_for_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        flask = app_with(f"redis://127.0.0.1:{hangs.getsockname()[1]}")
        assert ring(flask)[0] is False
        took = [ring(flask) for _ in range(50)]
    assert not any(heard for heard, _ in took)
    assert sum(seconds for _, seconds in took) < 1


def test_what_is_gathered_lies_ready_once(empty_database: Database) -> None:
    one, other = ids.new(), ids.new()
    with app_with(empty_database.redis_url).app_context():
        assert ring_for_gathered(Job.JUDGE) is False
        assert all(gather(Job.JUDGE, some) for some in ([one], [one, other]))
        assert [ring_for_gathered(Job.JUDGE) for _ in range(3)] == [True, False, False]
        assert sorted(gathered(Job.JUDGE, 10)) == sorted([one, other])
        assert gathered(Job.JUDGE, 10) == []
        gather(Job.JUDGE, [one])
        assert ring_for_gathered(Job.JUDGE) is True, "somebody came for what was there before"


def test_who_gathers_waits_for_no_redis_that_hangs_or_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        port = hangs.getsockname()[1]
        for _ in ("it hangs", "it is left alone"):
            began = time.monotonic()
            with app_with(f"redis://127.0.0.1:{port}").app_context():
                assert [gather(Job.JUDGE, [ids.new()]) for _ in range(20)] == [False] * 20
                assert ring_for_gathered(Job.JUDGE) is False
            assert time.monotonic() - began < 2
