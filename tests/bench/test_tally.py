"""The bench that kills everything must see what is lost, doubled or out of order: it is shown each."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from bench import chaos
from bench.clients import Crowd, Told
from bench.tally import tally
from tests.factories import make_monitor
from tests.fixtures.database import Database
from tokiflow.core.signals import Ping, Signal
from tokiflow.models import Organization
from tokiflow.services import pings
from tokiflow.services.pings import Incoming

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def test_whatever_is_wrong_is_told(organization: Organization, database: Database) -> None:
    monitor = make_monitor(organization)
    rid, halved = str(uuid4()), str(uuid4())
    crowd = Crowd()

    def send(words: str, seconds: float, *, times: int = 1, told: int | None = None) -> None:
        ping = Ping(Signal.LOG, NOW + timedelta(seconds=seconds), message=words)
        pings.record([Incoming(monitor.token, ping)] * times, NOW)
        if told is not None:
            crowd.told.append(Told(words, 1, told, None, "log"))

    send("well", 0, told=1)
    with database.connect() as connection:
        assert tally(connection, crowd).well
        send("never answered", 1)
        send("late", 5, told=2)
        send("before it", 3, told=3)
        send("twice", 6, times=2, told=4)
        crowd.told.append(Told("lost", 1, 5, rid, "start"))
        pings.record([Incoming(monitor.token, Ping(Signal.SUCCESS, NOW, message="end only", rid=None))], NOW)
        connection.execute("update monitors set ping_count = ping_count + 1")
        crowd.told.append(Told("end only", 1, 6, halved, "success"))
        found = tally(connection, crowd)
    assert not found.well
    assert found.wrong == {
        "lost": ["lost"],
        "kept twice": ["twice"],
        "runs counted twice": [],
        "runs without a beginning or an end": [rid, halved],
        "out of order": ["before it", "end only"],
        "monitors that have counted wrong": [str(monitor.id)],
    }
    assert "1 lost: lost\n1 kept twice: twice" in str(found)


def test_the_longest_silence_counts_from_the_blow_to_the_end() -> None:
    crowd = Crowd(answers=[(at, 80, said) for at, said in ((0.5, "200"), (1.0, "503"), (4.0, "200"), (4.5, "200"))])
    assert crowd.look_back(0, 5) == (3.5, {"200": 3, "503": 1})
    assert crowd.look_back(0, 9)[0] == 4.5
    assert crowd.look_back(2, 9) == (4.5, {"200": 2})


def test_every_blow_is_dealt_as_often_as_any_other_and_the_same_again_for_the_same_seed() -> None:
    names = list(chaos.BLOWS)
    dealt = chaos.deck(random.Random(1), 3 * len(names), names)
    assert set(Counter(dealt).values()) == {3}
    assert dealt == chaos.deck(random.Random(1), 3 * len(names), names)
    assert dealt != chaos.deck(random.Random(2), 3 * len(names), names)
