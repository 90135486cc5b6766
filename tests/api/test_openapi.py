"""The description says what is there, all of it and nothing else."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from tokiflow import api
from tokiflow.api import openapi

ALL = api.operations()
DOCUMENT: dict[str, Any] = openapi.document(ALL, "https://tokiflow.example.com")
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def valid(name: str, value: Any) -> None:
    """Raise unless `value` is what the schema `name` promises."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
    jsonschema_rs.validator_for({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}).validate(value)


def test_each_route_is_described_and_each_described_one_exists(app):
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == routes


def test_it_is_there_for_anybody(client):
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.json == openapi.document(ALL, "http://localhost")


def test_names_are_unique_and_each_operation_says_what_it_does():
    assert len({one.name for one in ALL}) == len(ALL)
    assert all(one.summary and not one.summary.endswith(".") for one in ALL)


def test_it_is_valid_openapi():
    loaded = schemathesis.openapi.from_dict(DOCUMENT)
    loaded.validate()
    assert len(list(loaded.get_all_operations())) == len(ALL)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one_and_is_used(name):
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name]})
    assert f"#/components/schemas/{name}'" in str(DOCUMENT)


def test_each_example_is_what_its_schema_promises():
    for operation in ALL:
        if operation.body:
            valid(operation.body.schema, operation.body.example)
        for answer in operation.answers.values():
            if answer.schema:
                valid(answer.schema, answer.example)
    for response in DOCUMENT["components"]["responses"].values():
        valid("Problem", response["content"]["application/problem+json"]["example"])
