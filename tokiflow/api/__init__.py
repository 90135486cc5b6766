"""The public REST API: one noun a file, and one table of operations behind routes, scopes and OpenAPI."""

from __future__ import annotations

from flask import Blueprint, Flask

from tokiflow.api.operations import TABLE, Operation


def operations() -> list[Operation]:
    """Every operation there is, in the order in which the documentation shows them."""
    from tokiflow.api import (
        alerts,
        channels,
        deliveries,
        health,
        incidents,
        maintenance,
        monitors,
        openapi,
        pings,
        runs,
    )

    nouns = (monitors, runs, pings, incidents, channels, maintenance, alerts, deliveries, health, openapi)
    return [operation for noun in nouns for operation in noun.operations]


def init_app(app: Flask) -> None:
    """Open the door for programs: keys instead of sessions, problems instead of pages."""
    from tokiflow import extensions
    from tokiflow.api import doors, problems, rates

    blueprint = Blueprint("api", __name__)
    problems.init_app(app, blueprint)
    rates.init_app(app, blueprint)
    app.extensions[TABLE] = operations()
    for operation in app.extensions[TABLE]:
        blueprint.add_url_rule(
            operation.path,
            endpoint=operation.name.replace(".", "_"),
            view_func=doors.view(operation),
            methods=[operation.method],
            provide_automatic_options=False,
        )
    # No cookie is ever looked at here, so there is nothing to forge.
    extensions.csrf.exempt(blueprint)
    app.register_blueprint(blueprint)
