"""Every operation × every key: made from the table, so a new operation is in it from its first day."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import delete, update
from werkzeug.test import TestResponse

from tests.api.conftest import NOW, Program, Trouble, give_up, make_key, make_trouble, problem
from tests.factories import make_membership, make_user
from tokiflow import api
from tokiflow.api.operations import Operation, Scope
from tokiflow.core import roles
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import Incident, Membership, Organization
from tokiflow.services import api_keys

ALL = api.operations()
WITH_KEY = [one for one in ALL if one.scope]
ABOUT_A_THING = [one for one in WITH_KEY if "<" in one.path]
LISTS = [one for one in WITH_KEY if one.name.endswith(".list") and "<" not in one.path]
NO_IDS = ["x", "mon_", "alr_" + "0" * 26, "mon_" + "u" * 26, "mon_8" + "0" * 25, "run_" + "0" * 27, "%00", "mon_é"]


def every(operations: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", operations, ids=lambda one: one.name)


def call(program: Program, operation: Operation, ids: dict[str, str]) -> TestResponse:
    path = re.sub(r"<(\w+)>", lambda found: ids[found[1]], operation.path)
    return program(operation.method, path, **({"json": operation.body.example} if operation.body else {}))


def make_ready(operation: Operation, organization: Organization, trouble: Trouble) -> None:
    """See to it that there is something to send again, somebody to give it to, and something that is no problem."""
    give_up(trouble.delivery)
    if operation.name == "incidents.assign":
        assert operation.body
        make_membership(organization, make_user("Alice", email=operation.body.example["to"]))
    if operation.name == "incidents.not_a_problem":
        with transaction():
            db.session.execute(update(Incident).values(class_="performance", kind="anomaly"))


def items(response: TestResponse) -> list[dict[str, Any]]:
    assert response.json is not None
    return list(response.json["items"])


def test_only_these_need_no_key():
    assert {one.name for one in ALL if one.scope is None} == {"health.read", "openapi.read"}


@every(WITH_KEY)
def test_reading_needs_read_pinging_ping_and_all_else_write(operation):
    other = Scope.PING if operation.name == "pings.send" else Scope.WRITE
    assert operation.scope is (Scope.READ if operation.method == "GET" else other)


@every(WITH_KEY)
def test_a_scope_lends_the_right_that_a_person_would_need(operation):
    assert operation.right in roles.SCOPES[operation.scope]
    assert roles.allows(Role.ADMIN, operation.right), "no key does more than an admin may, who makes it"


@every(WITH_KEY)
def test_a_key_does_not_outgrow_or_outlive_the_role_of_whoever_made_it(operation, client, organization, adam, trouble):
    """It belongs to the organization: it goes on with its own scopes when its maker is a viewer, or gone."""
    by = Actor("person", "Adam", adam.id)
    key = api_keys.create(organization.id, "ci", (operation.scope,), by, NOW).text
    with transaction():
        db.session.execute(delete(Membership).where(Membership.user_id == adam.id))
    make_ready(operation, organization, trouble)
    response = call(Program(client, key), operation, trouble.ids)
    assert response.status_code in operation.answers, response.get_data(as_text=True)


@every(WITH_KEY)
def test_the_scope_decides(operation, client, organization, trouble):
    problem(call(Program(client, ""), operation, trouble.ids), 401)
    first, second = (str(one) for one in Scope if one is not operation.scope)
    for scopes in ((first,), (second,), (first, second)):
        problem(call(Program(client, make_key(organization, *scopes)), operation, trouble.ids), 403)
    make_ready(operation, organization, trouble)
    response = call(Program(client, make_key(organization, operation.scope)), operation, trouble.ids)
    assert response.status_code in operation.answers, response.get_data(as_text=True)


@every(ABOUT_A_THING)
def test_the_things_of_others_do_not_exist(operation, stranger, program, trouble):
    hers = problem(call(stranger, operation, trouble.ids), 404)
    unknown = {name: public[:4] + "0" * 26 for name, public in trouble.ids.items()}
    nobodys = problem(call(stranger, operation, unknown), 404)
    assert hers | {"request_id": ""} == nobodys | {"request_id": ""}
    assert program.get(f"/monitors/{trouble.ids['monitor_id']}").json["status"] == "down"
    assert program.get(f"/incidents/{trouble.ids['incident_id']}").json["status"] == "open"
    assert program.get(f"/channels/{trouble.ids['channel_id']}").json["last_error"] is None


@every(LISTS)
def test_lists_hold_only_what_is_ones_own(operation, stranger, program, other_organization, trouble):
    theirs = make_trouble(other_organization)
    mine, others = (items(call(one, operation, {})) for one in (program, stranger))
    assert len(mine) == len(others) == 1
    assert mine[0]["id"] != others[0]["id"]
    assert all(public not in str(mine) for public in theirs.ids.values())


@every(ABOUT_A_THING)
def test_what_is_no_id_is_not_found(operation, program, trouble):
    last = re.findall(r"<(\w+)>", operation.path)[-1]
    for wrong in NO_IDS:
        problem(call(program, operation, {**trouble.ids, last: wrong}), 404)


def test_the_run_of_another_monitor_is_not_found(program, organization, trouble):
    other = make_trouble(organization)
    mixed = f"/monitors/{trouble.ids['monitor_id']}/runs/{other.ids['run_id']}"
    problem(program.get(mixed), 404)
    problem(program.get(f"{mixed}/output"), 404)
