"""Schemathesis reads the description, sends what it allows and what it forbids, and holds the answers against it.

Few examples each, always the same ones. One check is left out: `positive_data_acceptance`. A schema can't say that a
cron expression fires, that a time lies ahead or that a slug is free, so some of what it allows is refused with 422.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

from tests.api.conftest import Trouble, make_key
from tokiflow import api
from tokiflow.api import openapi, rates

EXAMPLES = 10


class Door:
    """The app, once there is one. Each request begins with an empty context instead of the test's own."""

    app: Flask

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return contextvars.Context().run(self.app, environ, start_response)


DOOR = Door()
DESCRIBED = schemathesis.openapi.from_dict(openapi.document(api.operations(), "http://localhost"))
DESCRIBED.app = DOOR
OPERATIONS: dict[str, Any] = {
    found.ok().label: found.ok()  # type: ignore[union-attr]
    for found in DESCRIBED.get_all_operations()
}


@pytest.fixture
def _bound(app: Flask) -> Iterable[None]:
    DOOR.app = app
    app.config[rates.RATE] = "1000000 per minute"
    yield
    app.config[rates.RATE] = rates.USUAL


@pytest.mark.usefixtures("_bound")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_described(label, mode, organization, trouble: Trouble):
    operation = OPERATIONS[label]
    headers = {"Authorization": f"Bearer {make_key(organization)}"}
    tried: list[schemathesis.Case] = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def try_one(case: schemathesis.Case) -> None:
        # Ids of its own making name nothing; every other time they are exchanged for real ones.
        if len(tried) % 2 == 0 and mode is GenerationMode.POSITIVE:
            case.path_parameters.update({name: trouble.ids[name] for name in case.path_parameters})
        tried.append(case)
        response = case.call(headers=headers)
        case.validate_response(response, excluded_checks=[positive_data_acceptance], headers=headers)

    if mode is GenerationMode.NEGATIVE and not (operation.query or operation.path_parameters or operation.body):
        return  # there is nothing that could be wrong
    try_one()
    assert tried
