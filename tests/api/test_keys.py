"""Who may come in: a key in the header, good for what it is used for; nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import Program, Trouble, make_key, problem
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db
from tokiflow.models import ApiKey, ApiKeyUse, AuditEvent, IncidentEvent
from tokiflow.services import api_keys


def test_without_a_key_nobody_is_told_anything_but_how_to_get_one(client):
    response = client.get("/api/v1/monitors")
    assert "Bearer" in problem(response, 401)["detail"]
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="Tokiflow API"'


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6cHc=",
        "Bearer tfk_wrong",
        "Bearer tfk_aaaaaaaa_" + "b" * 38,
        "Bearer \xff\xfe",
        "Bearer " + "x" * 5000,
        "tfk_alone",
    ],
)
def test_a_wrong_key_is_refused(client, header):
    response = client.get("/api/v1/monitors", headers={"Authorization": header})
    problem(response, 401)
    assert "error=" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(program, scheme):
    assert program.get("/monitors", headers={"Authorization": f"{scheme}  {program.key}"}).status_code == 200


def test_a_revoked_key_is_refused_from_that_moment(program):
    assert program.get("/monitors").status_code == 200
    key = db.session.query(ApiKey).one()
    api_keys.revoke(key.id, TOKIFLOW, datetime.now(UTC))
    problem(program.get("/monitors"), 401)


def test_an_expired_key_is_refused(program):
    key = db.session.query(ApiKey).one()
    key.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    db.session.commit()
    problem(program.get("/monitors"), 401)


def test_a_session_is_no_key(client_for, alice):
    problem(client_for(alice).get("/api/v1/monitors"), 401)
    problem(client_for(alice).post("/api/v1/monitors", json={}), 401)


def test_the_key_decides_and_not_the_session_beside_it(client_for, alice, stranger, trouble):
    browser = client_for(alice)
    response = browser.get("/api/v1/monitors", headers=stranger.authorization)
    assert response.json["items"] == []


def test_no_form_token_is_needed(app, program):
    app.config["WTF_CSRF_ENABLED"] = True
    assert program.post("/monitors", {"name": "x", "schedule": {"kind": "every", "seconds": 60}}).status_code == 201


def test_a_key_without_the_scope_is_told_which_one_is_missing(organization, client):
    response = Program(client, make_key(organization, "read")).post("/monitors", {})
    assert "write" in problem(response, 403)["detail"]
    assert 'scope="write"' in response.headers["WWW-Authenticate"]


def test_a_key_that_may_only_ping_neither_reads_nor_writes(organization, client):
    program = Program(client, make_key(organization, "ping"))
    problem(program.get("/monitors"), 403)
    problem(program.post("/monitors", {}), 403)


def test_timeline_and_audit_log_name_the_key(program, trouble: Trouble):
    program.post(f"/incidents/{trouble.ids['incident_id']}/acknowledge")
    assert db.session.query(IncidentEvent).filter_by(what="acknowledged").one().by == "API key ci"
    event = db.session.query(AuditEvent).filter_by(what="incident.acknowledged").one()
    assert (event.by, event.by_kind, event.by_id) == ("API key ci", "api_key", db.session.query(ApiKey).one().id)


def test_the_use_of_a_key_is_noted(program):
    program.get("/monitors")
    assert db.session.query(ApiKey).one().last_used_at is not None
    assert db.session.query(ApiKeyUse).one().count == 1


def test_a_key_that_tries_what_it_may_not_was_used_all_the_same(organization, client):
    problem(Program(client, make_key(organization, "ping")).get("/monitors"), 403)
    assert db.session.query(ApiKeyUse).one().count == 1


def test_a_key_works_beside_the_one_that_takes_its_place_and_then_no_more(program, client):
    now = datetime.now(UTC)
    old = db.session.query(ApiKey).one()
    following = Program(client, api_keys.rotate(old.id, now + timedelta(hours=1), TOKIFLOW, now).text)
    assert (program.get("/monitors").status_code, following.get("/monitors").status_code) == (200, 200)
    db.session.query(ApiKey).filter_by(id=old.id).update({"expires_at": now})
    db.session.commit()
    problem(program.get("/monitors"), 401)
    assert following.get("/monitors").status_code == 200
