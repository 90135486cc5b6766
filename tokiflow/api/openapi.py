"""The API, described for machines: OpenAPI 3.1, made of the table of operations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from flask import Response, current_app

import tokiflow
from tokiflow.api import answers, health, once, problems
from tokiflow.api.operations import TABLE, V1, Answer, Operation, Operations
from tokiflow.api.parameters import Parameter, id_pattern
from tokiflow.api.shapes import (
    Schema,
    alerts,
    channels,
    incidents,
    maintenance,
    monitors,
    obj,
    page_of,
    runs,
    text,
    trends,
    whole,
)

operations = Operations("About")

_PROBLEM = obj(
    {
        "type": text("Names the sort of problem, for programs.", examples=["urn:tokiflow:problem:invalid"]),
        "title": text("The sort of problem, for people."),
        "status": whole("The HTTP status."),
        "detail": text("What went wrong this time, and what to do."),
        "errors": {
            "type": "object",
            "description": "With 422: for each bad field, what is wrong and what to write.",
            "additionalProperties": {"type": "array", "items": text()},
        },
        "request_id": text("Tell it to whoever looks after your Tokiflow."),
    },
    optional=("errors", "request_id"),
)
SCHEMAS: dict[str, Schema] = {
    **monitors.SCHEMAS,
    **runs.SCHEMAS,
    **trends.SCHEMAS,
    **incidents.SCHEMAS,
    **channels.SCHEMAS,
    **maintenance.SCHEMAS,
    **alerts.SCHEMAS,
    **health.SCHEMAS,
    **{
        f"{noun}Page": page_of(noun)
        for noun in ("Monitor", "Run", "Ping", "Incident", "Channel", "MaintenanceWindow", "Alert", "PromisedDelivery")
    },
    "Problem": _PROBLEM,
}
_IDS = {
    "monitor_id": "mon",
    "run_id": "run",
    "incident_id": "inc",
    "channel_id": "chn",
    "window_id": "mnt",
    "delivery_id": "dlv",
}
_HEADERS: dict[str, Schema] = {
    "Location": {"description": "The address of what was made.", "schema": {"type": "string", "format": "uri"}},
    "RateLimit-Limit": {"description": "Calls a minute for this key.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "Calls left for now.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until all are back.", "schema": {"type": "integer"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "What kind of key is wanted.", "schema": {"type": "string"}},
}
_RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


@operations.get(f"{V1}/openapi.json", "openapi.read", Answer("OpenAPI 3.1.", None, {"openapi": "3.1.0"}), public=True)
def show() -> Response:
    """Read this description."""
    return answers.ok(document(current_app.extensions[TABLE], answers.public_url()))


def document(rows: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The whole description of `rows`, for an instance that the world finds at `public_url`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tokiflow", "version": tokiflow.__version__, "description": _ABOUT},
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in rows)],
        "paths": _paths(rows),
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key made in Settings → API keys."}
            },
            "schemas": SCHEMAS,
            "responses": {f"Problem{status}": _problem(status) for status in problems.TITLES},
            "headers": _HEADERS,
        },
    }


_ABOUT = (
    "Times are RFC 3339 in UTC, durations are seconds. Lists come in pages: follow `next` until it is null. "
    "Whatever goes wrong is an `application/problem+json`. Send an `Idempotency-Key` with a POST and send it again as "
    "often as you must: it is done once and answered alike for 24 hours."
)


def _paths(rows: Sequence[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for row in rows:
        paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", row.path), {})[row.method.lower()] = _operation(row)
    return paths


def _operation(row: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": row.name,
        "tags": [row.tag],
        "summary": row.summary,
        "description": _description(row),
        "parameters": [*_path_parameters(row), *(_query_parameter(one) for one in row.query)],
        "responses": {
            **{str(status): _answer(row, one) for status, one in sorted(row.answers.items())},
            **{str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in _problems(row)},
        },
    }
    if row.scope is None:
        described["security"] = []
    if row.method == "POST":
        described["parameters"].append(_IDEMPOTENCY)
    if row.body:
        media = {"schema": _ref(row.body.schema), "example": row.body.example}
        described["requestBody"] = {"required": row.body.required, "content": {"application/json": media}}
    return described


def _description(row: Operation) -> str:
    scope = f"Needs a key with the scope `{row.scope.value}`." if row.scope else "Needs no key."
    return f"{row.description} {scope}".strip()


def _path_parameters(row: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": id_pattern(_IDS[name])},
        }
        for name in re.findall(r"<(\w+)>", row.path)
    ]


def _query_parameter(one: Parameter[Any]) -> dict[str, Any]:
    return {"name": one.name, "in": "query", "required": False, "description": one.description, "schema": one.schema}


_IDEMPOTENCY = {
    "name": once.HEADER,
    "in": "header",
    "required": False,
    "description": "Makes it safe to send this again: a new UUID for each new request.",
    "schema": {"type": "string", "minLength": 1, "maxLength": once.LONGEST, "pattern": once.FORM},
}


def _problems(row: Operation) -> list[int]:
    """What may go wrong with `row`, told from what it takes."""
    found = {400, 422, 500, 503, *row.problems} if row.scope else {422, 500, 503}
    if row.scope:
        found |= {401, 403, 429}
    if "<" in row.path:
        found.add(404)
    if row.body:
        found |= {413, 415}
    if row.method != "GET":
        found.add(409)
    return sorted(found - set(row.answers))


def _answer(row: Operation, one: Answer) -> dict[str, Any]:
    names = (*one.headers, *(_RATE if row.scope else ()))
    described: dict[str, Any] = {"description": one.description}
    if names:
        described["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    if one.schema:
        described["content"] = {one.media_type: {"schema": _ref(one.schema), "example": one.example}}
    elif one.example is not None:
        described["content"] = {one.media_type: {"schema": {"type": "object"}, "example": one.example}}
    elif one.media_type != "application/json":
        described["content"] = {one.media_type: {}}
    return described


def _problem(status: int) -> dict[str, Any]:
    word, title = problems.TITLES[status]
    example: dict[str, Any] = {
        "type": f"urn:tokiflow:problem:{word}", "title": title, "status": status, "detail": f"{title}.",
    }  # fmt: skip
    if status == 422:
        example["errors"] = {"name": ["is empty; write what the job is called"]}
    headers = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}.get(status, ())
    return {
        "description": title,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {problems.MEDIA_TYPE: {"schema": _ref("Problem"), "example": example}},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
