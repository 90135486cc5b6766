"""One request in reading order: who calls, how often, whether they may, what they ask, and then the view."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Response, g

from tokiflow.api import keys, once, parameters, rates
from tokiflow.api.operations import Operation
from tokiflow.services import api_key_uses

RULE = "tokiflow_access"
"""Where the house test that walks every route finds who may use it."""


def view(operation: Operation) -> Callable[..., Response]:
    """What Flask calls for `operation`."""

    def door(**ids: str) -> Response:
        g.now = datetime.now(UTC)
        if operation.scope:
            keys.authenticate()
            rates.count()
            api_key_uses.note(keys.current(), g.now)
            keys.check(operation.scope)
        parameters.check(operation.query)
        if operation.method == "POST":
            return once.answer(lambda: operation.view(**ids), outside=operation.outside)
        return operation.view(**ids)

    setattr(door, RULE, operation.scope or "public")
    return door
