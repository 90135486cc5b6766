"""Deliveries for programs: listed, read, and sent again when they were given up."""

from __future__ import annotations

from tests.api.conftest import give_up, make_trouble, problem


def test_what_was_given_up_is_listed(program, organization, trouble):
    other = make_trouble(organization)
    give_up(trouble.delivery)
    (dead,) = program.get("/deliveries?status=dead").json["items"]
    assert dead["id"] == trouble.ids["delivery_id"]
    assert (dead["incident"], dead["kind"]) == (trouble.ids["incident_id"], "opened")
    assert (dead["last_error"], dead["next_attempt_at"]) == ("the receiver answered 500", None)
    of_other = program.get(f"/deliveries?channel={other.ids['channel_id']}&incident={other.ids['incident_id']}")
    assert [one["id"] for one in of_other.json["items"]] == [other.ids["delivery_id"]]
    problem(program.get("/deliveries?status=lost"), 422)


def test_the_list_goes_on_where_it_ended(program, organization, trouble):
    for _ in range(2):
        make_trouble(organization)
    everything = [one["id"] for one in program.get("/deliveries").json["items"]]
    page, seen = program.get("/deliveries?limit=2").json, []
    seen += page["items"]
    while page["next"]:
        page = program.get(page["next"]).json
        seen += page["items"]
    assert [one["id"] for one in seen] == everything


def test_what_was_given_up_is_sent_again_once(program, trouble):
    give_up(trouble.delivery)
    again = program.post(f"/deliveries/{trouble.ids['delivery_id']}/send-again")
    assert again.status_code == 200, again.text
    assert again.json["status"] == "pending"
    assert again.json["next_attempt_at"] is not None
    assert program.get(f"/deliveries/{trouble.ids['delivery_id']}").json == again.json
    said = problem(program.post(f"/deliveries/{trouble.ids['delivery_id']}/send-again"), 409)
    assert "given up" in said["detail"]


def test_the_delivery_of_another_organization_does_not_exist(stranger, trouble):
    give_up(trouble.delivery)
    problem(stranger.post(f"/deliveries/{trouble.ids['delivery_id']}/send-again"), 404)


def test_the_list_takes_the_same_number_of_questions_whatever_its_length(program, organization, trouble, count_queries):
    few = count_queries(lambda: program.get("/deliveries"))
    for _ in range(4):
        make_trouble(organization)
    assert count_queries(lambda: program.get("/deliveries")) == few
