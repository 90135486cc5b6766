from __future__ import annotations

from datetime import UTC, datetime, timedelta
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


def test_the_former_secret_signs_on_for_a_day_and_can_be_ended(program):
    channel = create(program)
    assert "previous_secret" not in channel["config"]
    changed = program.patch(f"/channels/{channel['id']}", {"config": {"secret": "another"}}).json
    assert changed["config"]["previous_secret"] == "set"
    until = datetime.fromisoformat(changed["config"]["previous_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) < timedelta(hours=25)
    kept = db.session.query(Channel).one().config
    assert (kept["secret"], kept["previous_secret"]) == ("another", WEBHOOK["secret"])
    again = program.patch(f"/channels/{channel['id']}", changed).json
    assert again["config"] == changed["config"]
    ended = program.patch(f"/channels/{channel['id']}", {"config": {"previous_secret": None}}).json
    assert "previous_secret" not in ended["config"]
    assert ended["config"]["secret"] == "set"


def test_a_template_is_refused_with_its_place(program):
    config = {"url": "https://robot.example.com/x", "template": "{{ monitor.nmae }}"}
    response = program.post("/channels", {"kind": "webhook", "name": "Robot", "config": config})
    assert problem(response, 422)["errors"] == {
        "config.template": ["Line 1, column 4: monitor.nmae is not known; did you mean monitor.name?"]
    }


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
        ({"kind": "slack", "name": "x", "config": {"url": "https://chat.example/x"}, "colour": 1}, {"colour"}),
    ],
)
def test_every_bad_field_is_named(program, body, fields):
    assert problem(program.post("/channels", body), 422)["errors"].keys() == fields


def test_people_want_one_message_for_a_storm_and_machines_each(program):
    slack = create(program, kind="slack", config={"url": "https://hooks.slack.com/services/T0/B0/x"})
    robot = create(program)
    limits = ("group_after", "group_window_seconds", "rate_per_hour")
    assert [slack[name] for name in limits] == [5, 60, None]
    assert [robot[name] for name in limits] == [None, 60, None]
    written = {"group_after": 3, "group_window_seconds": 120, "rate_per_hour": 12}
    changed = program.patch(f"/channels/{robot['id']}", written).json
    assert {name: changed[name] for name in limits} == written
    changed = program.patch(f"/channels/{robot['id']}", {"group_after": None}).json
    assert [changed[name] for name in limits] == [None, 120, 12]
    assert create(program, group_after=None, rate_per_hour=1)["rate_per_hour"] == 1


@pytest.mark.parametrize("bad", [0, 101, "5", True, 2.5, [3]], ids=repr)
def test_limits_out_of_bounds_are_refused(program, bad):
    channel = create(program)
    answer = problem(program.patch(f"/channels/{channel['id']}", {"group_after": bad}), 422)
    assert answer["errors"] == {"group_after": ["is not a whole number from 1 to 100; write one"]}
    problem(program.patch(f"/channels/{channel['id']}", {"group_window_seconds": None}), 422)
    problem(program.patch(f"/channels/{channel['id']}", {"rate_per_hour": 1_001}), 422)


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
