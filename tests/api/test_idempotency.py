"""Sent twice, done once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import update

from tests.api.conftest import Program, make_key, problem
from tests.fixtures.app import Client
from tokiflow.db import db, transaction
from tokiflow.models import IdempotencyKey, Monitor

GOOD = {"name": "x", "schedule": {"kind": "every", "seconds": 60}}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def test_sent_again_it_is_answered_again_and_not_done_again(program):
    first = program.post("/monitors", GOOD, headers=KEY)
    again = program.post("/monitors", GOOD, headers=KEY)
    assert (again.status_code, again.json, again.headers["Location"]) == (201, first.json, first.headers["Location"])
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert db.session.query(Monitor).count() == 1


def test_what_comes_of_a_post_without_a_body_is_remembered(program):
    monitor = program.post("/monitors", GOOD).json["id"]
    first = program.post(f"/monitors/{monitor}/rotate-token", headers=KEY).json["ping_url"]
    assert program.post(f"/monitors/{monitor}/rotate-token", headers=KEY).json["ping_url"] == first
    assert program.get(f"/monitors/{monitor}").json["ping_url"] == first


def test_the_same_key_with_another_body_is_refused(program):
    program.post("/monitors", GOOD, headers=KEY)
    response = program.post("/monitors", {**GOOD, "name": "y"}, headers=KEY)
    assert list(problem(response, 422)["errors"]) == ["Idempotency-Key"]


def test_another_address_or_another_organization_is_another_request(program, stranger):
    program.post("/monitors", GOOD, headers=KEY)
    assert stranger.post("/monitors", GOOD, headers=KEY).status_code == 201
    body = {"kind": "email", "name": "x", "config": {"to": ["a@example.com"]}}
    assert program.post("/channels", body, headers=KEY).status_code == 201


def test_what_failed_may_be_tried_again_under_the_same_key(program):
    problem(program.post("/monitors", {"name": ""}, headers=KEY), 422)
    assert program.post("/monitors", GOOD, headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ü"])
def test_a_bad_key_is_refused(program, key):
    problem(program.post("/monitors", GOOD, headers={"Idempotency-Key": key.encode().decode("latin-1")}), 400)


def test_the_scope_is_asked_before_the_memory(client, organization, program):
    program.post("/monitors", GOOD, headers=KEY)
    problem(Program(client, make_key(organization, "read")).post("/monitors", GOOD, headers=KEY), 403)


def test_after_a_day_it_is_a_new_request(program):
    first = program.post("/monitors", GOOD, headers=KEY).json["id"]
    with transaction():
        db.session.execute(update(IdempotencyKey).values(created_at=datetime.now(UTC) - timedelta(hours=25)))
    assert program.post("/monitors", GOOD, headers=KEY).json["id"] != first


def test_many_at_once_do_it_once(app, program):
    answers: list[str] = []

    def work() -> None:
        client = app.test_client()
        assert isinstance(client, Client)
        answers.append(Program(client, program.key).post("/monitors", GOOD, headers=KEY).get_data(as_text=True))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert db.session.query(Monitor).count() == 1


def test_a_test_message_is_sent_once(program, httpserver: HTTPServer):
    httpserver.expect_request("/hook").respond_with_data("ok")
    config = {"url": httpserver.url_for("/hook")}
    channel = program.post("/channels", {"kind": "webhook", "name": "x", "config": config}).json["id"]
    first = program.post(f"/channels/{channel}/test", headers=KEY)
    assert program.post(f"/channels/{channel}/test", headers=KEY).json == first.json
    assert len(httpserver.log) == 1


def test_while_a_test_message_is_under_way_the_second_waits_its_turn(program, httpserver: HTTPServer):
    config = {"url": httpserver.url_for("/hook")}
    channel = program.post("/channels", {"kind": "webhook", "name": "x", "config": config}).json["id"]
    program.post(f"/channels/{channel}/test", headers=KEY)
    with transaction():
        db.session.execute(update(IdempotencyKey).values(status=None))
    problem(program.post(f"/channels/{channel}/test", headers=KEY), 409)
