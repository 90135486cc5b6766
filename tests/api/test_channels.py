from __future__ import annotations

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.api.conftest import Program, problem
from tests.factories import make_slack_installation
from tokiflow.db import db
from tokiflow.models import Channel

WEBHOOK = {
    "url": "https://robot.example.com/x", "secret": "s3cret-value", "headers": {"Authorization": "Bearer t0psecret"},
}  # fmt: skip


def create(program: Program, **values: Any) -> dict[str, Any]:
    response = program.post("/channels", {"kind": "webhook", "name": "Robot", "config": WEBHOOK, **values})
    assert response.status_code == 201, response.get_data(as_text=True)
    assert isinstance(response.json, dict)
    return response.json


def test_a_channel_is_created_where_its_location_says(program):
    response = program.post("/channels", {"kind": "email", "name": "Ops", "config": {"to": ["ops@example.com"]}})
    assert response.status_code == 201
    assert (response.json["kind"], response.json["config"]) == ("email", {"to": ["ops@example.com"]})
    assert response.json["enabled"] is True
    assert response.json["last_delivery_at"] is response.json["last_error"] is None
    assert response.json["recipients"] == [{"address": "ops@example.com", "status": "waiting", "reason": None}]
    assert program.get(response.headers["Location"]).json == response.json
    assert program.get("/channels").json["items"] == [response.json]


def test_secrets_are_written_and_never_read_back(program):
    channel = create(program)
    slack = create(program, kind="slack", config={"url": "https://hooks.slack.com/services/T0/B0/verysecret"})
    for response in (
        program.get("/channels"),
        program.get(f"/channels/{channel['id']}"),
        program.get(f"/channels/{slack['id']}"),
    ):
        text = response.get_data(as_text=True)
        assert not any(secret in text for secret in ("s3cret-value", "t0psecret", "verysecret"))
    assert channel["config"]["secret"] == "set"
    assert channel["config"]["headers"] == {"Authorization": "set"}


def test_what_was_read_can_be_sent_back_and_keeps_the_secrets(program):
    channel = create(program)
    response = program.patch(f"/channels/{channel['id']}", channel)
    assert {**response.json, "updated_at": ""} == {**channel, "updated_at": ""}
    kept = db.session.query(Channel).one().config
    assert (kept["secret"], kept["headers"]) == (WEBHOOK["secret"], WEBHOOK["headers"])


def test_a_change_leaves_the_rest(program):
    channel = create(program)
    program.patch(f"/channels/{channel['id']}", {"config": {"url": "https://robot.example.com/y"}, "enabled": False})
    row = db.session.query(Channel).one()
    assert (row.config["url"], row.config["secret"], row.enabled) == (
        "https://robot.example.com/y",
        "s3cret-value",
        False,
    )
    assert program.patch(f"/channels/{channel['id']}", {"config": {"secret": None}}).json["config"]["secret"] is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"kind"}),
        ({"kind": "pigeon"}, {"kind"}),
        ({"kind": ["webhook"]}, {"kind"}),
        ({"kind": "webhook"}, {"name", "config"}),
        ({"kind": "webhook", "name": "x", "config": []}, {"config"}),
        ({"kind": "webhook", "name": "x", "config": {"url": "ftp://x", "colour": 1}}, {"config.url", "config.colour"}),
        ({"kind": "email", "name": "", "config": {"to": ["nobody"]}}, {"name", "config.to"}),
        ({"kind": "email", "name": "x", "config": {"to": ["a@example.com"]}, "enabled": "no"}, {"enabled"}),
        ({"kind": "slack", "name": "x", "config": {"url": "https://hooks.slack.com/x"}, "colour": 1}, {"colour"}),
    ],
)
def test_every_bad_field_is_named(program, body, fields):
    assert problem(program.post("/channels", body), 422)["errors"].keys() == fields


def test_a_test_sends_a_real_message(program, httpserver: HTTPServer):
    httpserver.expect_ordered_request("/hook", method="POST").respond_with_data("thanks")
    channel = create(program, config={"url": httpserver.url_for("/hook")})
    trial = program.post(f"/channels/{channel['id']}/test").json
    assert {**trial, "duration_seconds": 0} == {
        "ok": True, "status_code": 200, "response": "thanks", "error": None, "duration_seconds": 0,
    }  # fmt: skip
    assert program.get(f"/channels/{channel['id']}").json["last_delivery_at"].endswith("Z")


def test_a_test_that_fails_says_what_came_back(program, httpserver: HTTPServer):
    httpserver.expect_request("/hook").respond_with_data("no such robot", status=404)
    channel = create(program, config={"url": httpserver.url_for("/hook")})
    trial = program.post(f"/channels/{channel['id']}/test").json
    assert (trial["ok"], trial["status_code"], trial["response"]) == (False, 404, "no such robot")
    assert "404" in trial["error"]


def test_delete(program):
    channel = create(program)
    assert program.delete(f"/channels/{channel['id']}").status_code == 204
    problem(program.get(f"/channels/{channel['id']}"), 404)


def test_slacks_app_writes_only_where_this_organization_has_added_it(program, organization, other_organization):
    def asked(team: str) -> Any:
        config = {"team": team, "channel": "#ops"}
        return program.post("/channels", {"kind": "slack_app", "name": "#ops", "config": config})

    theirs = make_slack_installation(other_organization).team_id
    assert "add it first" in problem(asked(theirs), 422)["errors"]["config.team"][0]
    ours = make_slack_installation(organization, team_name="Harbour").team_id
    assert f"write {ours} (Harbour)" in problem(asked(theirs), 422)["errors"]["config.team"][0]
    made = asked(ours)
    assert made.status_code == 201
    path = f"/channels/{made.json['id']}"
    problem(program.patch(path, {"config": {"team": theirs}}), 422)
    assert program.patch(path, {"config": {"channel": "#night"}}).json["config"]["channel"] == "#night"
