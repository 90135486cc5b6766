"""A key with the scope `ping` pings, and does nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.api.conftest import NOW, Program, make_key, problem
from tests.factories import make_monitor
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db
from tokiflow.models import Monitor, Ping
from tokiflow.services import api_keys


@pytest.fixture
def monitor(organization):
    return make_monitor(organization)


@pytest.fixture
def path(monitor):
    return f"/monitors/{ids.public('mon', monitor.id)}/pings"


@pytest.fixture
def pinger(client, organization):
    return Program(client, make_key(organization, "ping"))


def status(monitor):
    return db.session.get_one(Monitor, monitor.id, populate_existing=True).status


def kept():
    db.session.expire_all()
    return db.session.execute(select(Ping).order_by(Ping.n)).scalars().all()


def test_without_a_word_it_is_a_success(pinger, monitor, path):
    answer = pinger.post(path)
    assert (answer.status_code, answer.json["signal"]) == (201, "success")
    assert status(monitor) == "up"
    (ping,) = kept()
    assert (ping.signal, ping.method, ping.source) == ("success", "POST", "127.0.0.1")


def test_it_says_what_a_job_can_say(pinger, monitor, path):
    rid = "0190f1d2-7f3e-7c3a-9f5e-0123456789ab"
    assert pinger.post(path, {"signal": "start", "rid": rid}).json["signal"] == "start"
    said = {"exit_code": 3, "duration_seconds": 1.5, "rid": rid, "message": "disk\nfull password=hunter2-is-it"}
    assert pinger.post(path, said).json["signal"] == "fail"
    assert status(monitor) == "down"
    ping = kept()[-1]
    assert (ping.exit_code, ping.duration_ms, str(ping.rid)) == (3, 1500, rid)
    assert ping.message.startswith("disk full password=")
    assert "hunter2" not in ping.message


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"signal": "done"}, "signal"),
        ({"signal": ["success"]}, "signal"),
        ({"exit_code": 256}, "exit_code"),
        ({"exit_code": True}, "exit_code"),
        ({"exit_code": "0"}, "exit_code"),
        ({"duration_seconds": -1}, "duration_seconds"),
        ({"duration_seconds": 1e300}, "duration_seconds"),
        ({"rid": "nightly"}, "rid"),
        ({"rid": 7}, "rid"),
        ({"message": {}}, "message"),
        ({"state": "success"}, "state"),
    ],
)
def test_what_makes_no_sense_is_named_and_does_not_count(pinger, path, said, field):
    assert list(problem(pinger.post(path, said), 422)["errors"]) == [field]
    assert kept() == []


def test_it_does_nothing_else(pinger, path, program):
    problem(pinger.get("/monitors"), 403)
    problem(pinger.get(path), 403)
    problem(pinger.post("/monitors", {"name": "Mine"}), 403)
    assert set(pinger.post(path).json) == {"signal", "at"}, "nor is it told anything of the monitor"


def test_who_may_write_may_not_ping(client, organization, path):
    refused = Program(client, make_key(organization, "read", "write")).post(path)
    assert 'scope="ping"' in refused.headers["WWW-Authenticate"]
    problem(refused, 403)


def test_monitors_of_others_do_not_exist(client, other_organization, path):
    problem(Program(client, make_key(other_organization, "ping")).post(path), 404)
    assert kept() == []


def test_a_key_that_ended_pings_no_more(client, organization, path):
    key = api_keys.create(organization.id, "ci", ["ping"], TOKIFLOW, NOW - timedelta(days=2), NOW - timedelta(days=1))
    problem(Program(client, key.text).post(path), 401)


def test_the_same_call_again_counts_once(pinger, path):
    for _ in range(2):
        assert pinger.post(path, {"signal": "log"}, headers={"Idempotency-Key": "one"}).status_code == 201
    assert len(kept()) == 1


def test_the_limit_of_the_monitor_holds(app, pinger, path):
    before = app.extensions["tokiflow.settings"]
    app.extensions["tokiflow.settings"] = before.model_copy(update={"ping_rate": "60/minute burst 2"})
    try:
        answers = [pinger.post(path, {"signal": "log", "message": str(n)}) for n in range(4)]
    finally:
        app.extensions["tokiflow.settings"] = before
    assert [one.status_code for one in answers][:3] == [201, 201, 429]
    assert int(answers[2].headers["Retry-After"]) > 0
