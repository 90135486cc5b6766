from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Program, problem
from tests.factories import make_channel, make_monitor
from tests.fixtures.app import Client
from tokiflow.core import ids
from tokiflow.db import db
from tokiflow.models import Monitor

HOURLY = {"kind": "every", "seconds": 3600}
FIELDS = [
    "id", "name", "slug", "tags", "description", "schedule", "grace_seconds", "max_runtime_seconds",
    "early_tolerance_seconds", "failures_to_open", "successes_to_resolve", "overlaps_allowed", "capture_output",
    "sensitivity", "channels", "depends_on", "status",
    "running", "last_ping_at", "due_at", "deadline_at", "paused_until", "ping_url", "created_at", "updated_at",
]  # fmt: skip


def create(program: Program, **values: Any) -> dict[str, Any]:
    response = program.post("/monitors", {"name": "Nightly backup", "schedule": HOURLY, **values})
    assert response.status_code == 201, response.get_data(as_text=True)
    assert isinstance(response.json, dict)
    return response.json


def test_a_monitor_is_created_where_its_location_says(program):
    response = program.post("/monitors", {"name": "Nightly backup", "schedule": HOURLY, "tags": ["db"]})
    assert response.status_code == 201
    assert list(response.json) == FIELDS
    assert response.json["schedule"] == HOURLY
    assert response.json["status"] == "new"
    assert response.json["ping_url"].startswith("http://localhost/ping/")
    assert response.headers["Location"] == f"http://localhost/api/v1/monitors/{response.json['id']}"
    assert program.get(response.headers["Location"]).json == response.json


def test_times_are_utc_and_durations_seconds(program):
    created = create(program)
    assert created["created_at"].endswith("Z")
    assert datetime.fromisoformat(created["created_at"]).utcoffset() == timedelta(0)
    assert created["max_runtime_seconds"] == 3600


@pytest.mark.parametrize(
    "schedule",
    [
        HOURLY,
        {"kind": "cron", "expression": "0 2 * * *", "timezone": "Europe/Berlin"},
        {"kind": "calendar", "expression": "Mon..Fri 09:00", "timezone": "America/New_York"},
    ],
)
def test_each_kind_of_schedule_reads_as_it_was_written(program, schedule):
    assert create(program, schedule=schedule)["schedule"] == schedule


def test_every_bad_field_is_named_at_once(program):
    body = {
        "name": " ",
        "schedule": {"kind": "cron", "expression": "61 * * * *", "timezone": "Mars/Base"},
        "grace_seconds": -1,
        "tags": "db",
    }
    errors = problem(program.post("/monitors", body), 422)["errors"]
    assert errors.keys() == {"name", "schedule.expression", "schedule.timezone", "grace_seconds", "tags"}
    assert all(isinstance(sentence, str) for sentences in errors.values() for sentence in sentences)


def test_an_empty_object_is_told_what_is_missing(program):
    assert problem(program.post("/monitors", {}), 422)["errors"].keys() == {"name", "schedule"}


def test_an_unknown_field_is_named(program):
    monitor = create(program)
    for response in (
        program.post("/monitors", {"nmae": "x"}),
        program.patch(f"/monitors/{monitor['id']}", {"nmae": "x"}),
    ):
        assert list(problem(response, 422)["errors"]) == ["nmae"]
    response = program.patch(f"/monitors/{monitor['id']}", {"schedule": {**HOURLY, "hours": 1}})
    assert list(problem(response, 422)["errors"]) == ["schedule.hours"]


def test_what_was_read_can_be_sent_back(program, organization):
    channel = ids.public("chn", make_channel(organization).id)
    monitor = create(program, channels=[channel], tags=["a", "b"], description="Line\nline")
    response = program.patch(f"/monitors/{monitor['id']}", monitor)
    assert response.status_code == 200
    assert response.json == monitor


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Other"}, {"slug": "other"}, {"tags": ["x"]}, {"description": "d"}, {"grace_seconds": 0},
        {"max_runtime_seconds": 1}, {"early_tolerance_seconds": 60}, {"failures_to_open": 3},
        {"successes_to_resolve": 2}, {"capture_output": False}, {"sensitivity": "low"}, {"overlaps_allowed": False},
        {"schedule": {"kind": "every", "seconds": 30}},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_each_field_changes_alone(program, change):
    before = create(program)
    after = program.patch(f"/monitors/{before['id']}", change).json
    changed = {name for name in FIELDS if before[name] != after[name]}
    assert changed - {"updated_at"} == set(change)
    assert {name: after[name] for name in change} == change


def test_what_it_depends_on_can_be_named_and_given_up(program):
    database, shop = create(program, name="Database"), create(program, name="Shop")
    named = program.patch(f"/monitors/{shop['id']}", {"depends_on": [database["id"]]}).json
    assert named["depends_on"] == [database["id"]]
    assert program.get(f"/monitors/{shop['id']}").json["depends_on"] == [database["id"]]
    assert program.patch(f"/monitors/{shop['id']}", {"depends_on": None}).json["depends_on"] == []
    whole = create(program, name="API", depends_on=[database["id"], shop["id"]])
    assert set(whole["depends_on"]) == {database["id"], shop["id"]}


def test_a_circle_of_dependencies_is_refused_and_named(program):
    database = create(program, name="Database")
    shop = create(program, name="Shop", depends_on=[database["id"]])
    for wanted, why in ((shop["id"], "circle: Database → Shop → Database"), (database["id"], "itself")):
        refused = program.patch(f"/monitors/{database['id']}", {"depends_on": [wanted]})
        assert refused.status_code == 422
        assert why in refused.json["errors"]["depends_on"][0]
    assert program.get(f"/monitors/{database['id']}").json["depends_on"] == []


@pytest.mark.parametrize("wanted", ["mon_", [1], ["mon_zzz"], [ids.public("mon", ids.new())], ["x"] * 51])
def test_only_monitors_that_are_here_can_be_depended_on(program, wanted):
    shop = create(program, name="Shop")
    refused = program.patch(f"/monitors/{shop['id']}", {"depends_on": wanted})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["depends_on"])


def test_own_channels_can_be_named_and_given_up(program, organization):
    channel = ids.public("chn", make_channel(organization).id)
    monitor = create(program, channels=[channel])
    assert monitor["channels"] == [channel]
    assert program.patch(f"/monitors/{monitor['id']}", {"channels": []}).json["channels"] == []
    assert program.patch(f"/monitors/{monitor['id']}", {"channels": None}).json["channels"] is None


def test_channels_of_others_can_not_be_named(program, other_organization):
    theirs = ids.public("chn", make_channel(other_organization).id)
    problem(program.post("/monitors", {"name": "x", "schedule": HOURLY, "channels": [theirs]}), 422)


def test_unique_makes_create_an_upsert(program):
    first = create(program)
    again = program.post("/monitors", {"name": " Nightly  backup ", "grace_seconds": 5, "unique": ["name"]})
    assert again.status_code == 200
    assert "Location" not in again.headers
    assert again.json["id"] == first["id"]
    assert again.json["grace_seconds"] == 5
    other = program.post("/monitors", {"name": "Nightly backup", "slug": "b", "schedule": HOURLY, "unique": ["slug"]})
    assert other.status_code == 201


def test_unique_on_both_means_both(program):
    first = create(program, slug="a")
    body = {"name": "Nightly backup", "slug": "a", "schedule": HOURLY, "unique": ["name", "slug"]}
    assert program.post("/monitors", body).json["id"] == first["id"]
    problem(program.post("/monitors", {**body, "name": "Else"}), 422)  # the slug is taken


@pytest.mark.parametrize("unique", ["name", ["tags"], [["name"]], [None], {"name": 1}, 1])
def test_unique_must_be_a_list_of_name_and_slug(program, unique):
    assert (
        "unique"
        in problem(program.post("/monitors", {"name": "x", "schedule": HOURLY, "unique": unique}), 422)["errors"]
    )


def test_unique_needs_the_field_it_speaks_of(program):
    assert (
        "slug"
        in problem(program.post("/monitors", {"name": "x", "schedule": HOURLY, "unique": ["slug"]}), 422)["errors"]
    )


def test_many_upserts_at_once_make_one_monitor(app, program):
    answers: list[int] = []

    def work() -> None:
        client = app.test_client()
        assert isinstance(client, Client)
        body = {"name": "One", "schedule": HOURLY, "unique": ["name"]}
        answers.append(Program(client, program.key).post("/monitors", body).status_code)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 200, 200, 200, 200, 201]
    assert db.session.query(Monitor).count() == 1


def test_pause_until_a_time_and_resume(program):
    monitor = create(program)
    later = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    paused = program.post(f"/monitors/{monitor['id']}/pause", {"until": later.isoformat()})
    assert paused.status_code == 200
    assert paused.json["status"] == "paused"
    assert datetime.fromisoformat(paused.json["paused_until"]) == later
    resumed = program.post(f"/monitors/{monitor['id']}/resume")
    assert (resumed.json["status"], resumed.json["paused_until"]) == ("new", None)


@pytest.mark.parametrize(
    "sent", [{}, {"json": {}}, {"json": {"until": None}}, {"data": b"", "content_type": "text/plain"}]
)
def test_pause_needs_no_body(program, sent):
    monitor = create(program)
    response = program("POST", f"/monitors/{monitor['id']}/pause", **sent)
    assert response.json["status"] == "paused"


@pytest.mark.parametrize(
    "until",
    ["2001-01-01T00:00:00Z", "tomorrow", 5, True, [], {}, "2030-01-01", "2030-01-01T10:00:00", "2030-13-01T00:00:00Z",
     "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "٢٠٣٠-01-01T00:00:00Z", "", "\u0000"],
)  # fmt: skip
def test_a_bad_time_is_named(program, until):
    monitor = create(program)
    assert list(problem(program.post(f"/monitors/{monitor['id']}/pause", {"until": until}), 422)["errors"]) == ["until"]


def test_the_last_moment_there_is_will_do(program):
    monitor = create(program)
    assert program.post(f"/monitors/{monitor['id']}/pause", {"until": "9999-12-31T23:59:59Z"}).status_code == 200


def test_rotating_gives_a_new_address(program):
    monitor = create(program)
    rotated = program.post(f"/monitors/{monitor['id']}/rotate-token").json
    assert rotated["ping_url"] != monitor["ping_url"]
    assert rotated["id"] == monitor["id"]


def test_delete_answers_nothing_and_leaves_nothing(program):
    monitor = create(program)
    response = program.delete(f"/monitors/{monitor['id']}")
    assert (response.status_code, response.data) == (204, b"")
    problem(program.get(f"/monitors/{monitor['id']}"), 404)
    problem(program.delete(f"/monitors/{monitor['id']}"), 404)


def test_late_is_shown_and_filtered(program, organization):
    past = datetime.now(UTC) - timedelta(minutes=1)
    make_monitor(organization, "Late one", status="up", due_at=past, deadline_at=past + timedelta(hours=1))
    make_monitor(organization, "Fine one", status="up", due_at=past + timedelta(hours=1))
    assert [one["name"] for one in program.get("/monitors?status=late").json["items"]] == ["Late one"]
    assert [one["name"] for one in program.get("/monitors?status=up").json["items"]] == ["Fine one"]


def test_filters_narrow_together(program, organization):
    make_monitor(organization, "Backup a", tags=["db", "eu"])
    make_monitor(organization, "Backup b", tags=["db"])
    make_monitor(organization, "Report", tags=["eu"])

    def names(query: str) -> list[str]:
        return [one["name"] for one in program.get(f"/monitors?{query}").json["items"]]

    assert names("tag=db") == ["Backup a", "Backup b"]
    assert names("q=backup&tag=eu") == ["Backup a"]
    assert names("q=%25") == []
    assert names("status=&tag=&q=") == ["Backup a", "Backup b", "Report"]


def test_the_list_takes_the_same_number_of_questions_whatever_its_length(program, organization, count_queries):
    channel = make_channel(organization)
    make_monitor(organization, channels=[channel])
    few = count_queries(lambda: program.get("/monitors"))
    for number in range(20):
        make_monitor(organization, f"M {number}", channels=[channel])
    assert count_queries(lambda: program.get("/monitors")) == few
