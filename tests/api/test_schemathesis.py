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
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import positive_data_acceptance

from tests.api.conftest import Trouble, make_key
from tokiflow.api import rates

EXAMPLES = 8
SEEN: set[tuple[str, int]] = set()


@pytest.fixture
def described(app, organization) -> Iterable[Any]:
    """The description, bound to the app."""
    app.config[rates.RATE] = "1000000 per minute"

    def apart(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # Not in the test's own app context: each request begins with an empty one, as in production.
        return contextvars.Context().run(app, environ, start_response)

    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", apart)
    app.config[rates.RATE] = rates.USUAL


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.timeout(180)
def test_every_answer_is_as_described(case, organization, trouble: Trouble):
    key = make_key(organization)
    if case.path_parameters:
        # Ids of its own making name nothing: most of them are exchanged for real ones.
        known = {name: trouble.ids[name] for name in case.path_parameters if name in trouble.ids}
        if hash(str(case.body)) % 4:
            case.path_parameters.update(known)
    response = case.call(headers={"Authorization": f"Bearer {key}"})
    case.validate_response(response, excluded_checks=[positive_data_acceptance])
