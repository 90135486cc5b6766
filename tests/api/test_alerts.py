from __future__ import annotations

from tests.api.conftest import make_trouble
from tokiflow import outside
from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.models import Delivery
from tokiflow.services import deliveries


def test_an_alert_tells_who_was_told_and_what_came_back(app, program, trouble):
    delivery = db.session.query(Delivery).one()
    (waiting,) = program.get("/alerts").json["items"]
    assert waiting["deliveries"][0]["status"] == "pending"
    deliveries.deliver([delivery.id], outside.of(app))
    (alert,) = program.get("/alerts").json["items"]
    assert (alert["incident"], alert["kind"]) == (trouble.ids["incident_id"], "opened")
    (told,) = alert["deliveries"]
    assert told["channel"]["id"] == trouble.ids["channel_id"]
    (attempt,) = told["attempts"]
    assert (attempt["n"], attempt["ok"], attempt["status_code"]) == (1, False, None)
    assert told["last_error"] == attempt["error"]
    assert told["next_attempt_at"] is not None


def test_what_a_summary_told_names_it(program, trouble):
    delivery = db.session.query(Delivery).one()
    with transaction():
        delivery.status, delivery.memory = "merged", {"told_in": str(delivery.id), "of": 23}
    ((told,),) = [alert["deliveries"] for alert in program.get("/alerts").json["items"]]
    assert told["status"] == "merged"
    assert told["summary"] == {"delivery": ids.public("dlv", delivery.id), "of": 23}


def test_alerts_of_one_incident(program, organization, trouble):
    other = make_trouble(organization)
    found = program.get(f"/alerts?incident={other.ids['incident_id']}").json["items"]
    assert {one["incident"] for one in found} == {other.ids["incident_id"]}


def test_the_list_takes_the_same_number_of_questions_whatever_its_length(program, organization, trouble, count_queries):
    few = count_queries(lambda: program.get("/alerts"))
    for _ in range(4):
        make_trouble(organization)
    assert count_queries(lambda: program.get("/alerts")) == few
