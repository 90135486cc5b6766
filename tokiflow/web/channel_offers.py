"""What a form of a channel offers to choose from, where that is not the same for everybody."""

from __future__ import annotations

from flask import current_app

from tokiflow import outside
from tokiflow.queries import slack_installations
from tokiflow.services import slack_rooms
from tokiflow.web import access

Offers = dict[str, list[tuple[str, str]]]
"""By the name of a field: values, each with its words."""

WORKSPACES = 3
"""So many workspaces are asked for their channels at most, while the form is waited for."""


def of(kind: str) -> Offers:
    """What the form of `kind` offers in the current organization. For Slack's app, that is asked of Slack."""
    if kind != slack_installations.KIND:
        return {}
    rows = slack_installations.of_organization(access.organization().id)
    there = outside.of(current_app)
    rooms = [(name, row.team_name) for row in rows[:WORKSPACES] for name in slack_rooms.names(row, there)]
    return {"team": [(row.team_id, row.team_name) for row in rows], "channel": rooms}
