"""Incidents: list, read with timeline, acknowledge, resolve, assign, mute, comment."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from tokiflow import errors
from tokiflow.api import access, answers, bodies, moments, parameters
from tokiflow.api.operations import V1, Answer, Body, Operations
from tokiflow.api.shapes import incidents as shapes
from tokiflow.core import ids
from tokiflow.core.status import Kind
from tokiflow.queries import incidents, memberships, people, timelines
from tokiflow.services import acceptance
from tokiflow.services import incidents as service

operations = Operations("Incidents")
ONE = f"{V1}/incidents/<incident_id>"

STATUS = parameters.word(
    "status", "Only those with this status; `unresolved` is open or acknowledged.", [*shapes.STATUSES, "unresolved"]
)
KIND = parameters.word("kind", "Only those of this kind.", [one.value for one in Kind])
MONITOR = parameters.identifier("monitor", "Only those of this monitor.", "mon")
SEVERITY = parameters.word("severity", "Only those of this severity.", shapes.SEVERITIES)
TAG = parameters.text("tag", "Only those of monitors with this tag.")
ASSIGNED = parameters.somebody("assigned", "Only those assigned to this person, or to `nobody`.")
SINCE = parameters.moment("since", "Only those opened at this time or later.")
UNTIL = parameters.moment("until", "Only those opened before this time.")
Q = parameters.text("q", "Up to ten words, each in the monitor's name, in what happened, or in a comment.")

_AN_INCIDENT = Answer("The incident as it is now.", "Incident", shapes.EXAMPLE)


@operations.get(
    f"{V1}/incidents",
    "incidents.list",
    Answer("Incidents, newest first.", "IncidentPage", {"items": [shapes.EXAMPLE], "next": None}),
    query=(STATUS, KIND, SEVERITY, MONITOR, TAG, ASSIGNED, SINCE, UNTIL, Q, *parameters.PAGING),
)
def index() -> Response:
    """List incidents. The latest opened first; filters narrow together."""
    assigned = ASSIGNED.value()
    wanted = incidents.Filter(
        status=STATUS.value(),
        kind=KIND.value(),
        severity=SEVERITY.value(),
        monitor_id=MONITOR.value(),
        tag=TAG.value(),
        assigned_to=assigned if isinstance(assigned, UUID) else None,
        unassigned=assigned == parameters.NOBODY,
        since=SINCE.value(),
        until=UNTIL.value(),
        words=Q.value(),
    )
    page = incidents.page(access.organization_id(), wanted, parameters.CURSOR.value(), parameters.LIMIT.value())
    steps = timelines.of_incidents([one.id for one in page.items])
    names = people.called({one.assigned_to for one in page.items if one.assigned_to})
    return answers.page(page, lambda one: shapes.incident(one, steps[one.id], names))


@operations.get(ONE, "incidents.read", _AN_INCIDENT)
def show(incident_id: str) -> Response:
    """Read an incident. With its timeline."""
    return answers.ok(_shaped(incident_id))


@operations.post(f"{ONE}/acknowledge", "incidents.acknowledge", {200: _AN_INCIDENT}, problems=frozenset({409}))
def acknowledge(incident_id: str) -> Response:
    """Acknowledge an incident. Doing so again changes nothing; a resolved one is a conflict (409)."""
    service.acknowledge(access.incident(incident_id).id, access.actor(), moments.now())
    return _answer(incident_id)


@operations.post(f"{ONE}/resolve", "incidents.resolve", {200: _AN_INCIDENT})
def resolve(incident_id: str) -> Response:
    """Resolve an incident. The monitor gets a fresh chance; doing so again changes nothing."""
    service.resolve(access.incident(incident_id).id, access.actor(), moments.now())
    return _answer(incident_id)


@operations.post(f"{ONE}/not-a-problem", "incidents.not_a_problem", {200: _AN_INCIDENT}, problems=frozenset({409}))
def not_a_problem(incident_id: str) -> Response:
    """Say that an incident is not a problem. What was unusual is taken as usual from then on, and the incident
    resolves; doing so again changes nothing. Only for anomalies and degraded runs: an outage is a conflict (409)."""
    acceptance.accept_incident(access.incident(incident_id).id, access.actor(), moments.now())
    return _answer(incident_id)


@operations.post(
    f"{ONE}/assign",
    "incidents.assign",
    {200: _AN_INCIDENT},
    body=Body("Assignment", {"to": "alice@example.com"}),
    problems=frozenset({409}),
)
def assign(incident_id: str) -> Response:
    """Assign an incident. To a member who may work on it, by id or by address; null takes it off whoever has it. A
    resolved one is a conflict (409)."""
    incident = access.incident(incident_id)
    values = bodies.only(bodies.read(), {"to"}, (), "an assignment")
    service.assign(incident.id, _member(incident.organization_id, values), access.actor(), moments.now())
    return _answer(incident_id)


def _member(organization_id: UUID, values: dict[str, Any]) -> UUID | None:
    """Who is meant by `to`. Raises Invalid."""
    said = values.get("to", "")
    if said is None:
        return None
    if not isinstance(said, str) or not said.strip():
        raise errors.Invalid({"to": ["is missing or no text; write a member's id or address, or null for nobody"]})
    if "@" not in said:
        try:
            return ids.parse("usr", said.strip())
        except errors.NotFound:
            raise errors.Invalid(
                {"to": ["is no member here; write a member's id like usr_01jd…, or address"]}
            ) from None
    found = memberships.by_address(organization_id, said)
    if found is None:
        raise errors.Invalid({"to": ["is no member here; choose somebody who is"]})
    return found.user_id


@operations.post(
    f"{ONE}/mute",
    "incidents.mute",
    {200: _AN_INCIDENT},
    body=Body("Mute", {"until": "2099-12-31T06:00:00Z"}),
    problems=frozenset({409}),
)
def mute(incident_id: str) -> Response:
    """Mute an incident. Until then only its recovery is told; null ends the mute. A resolved one is a
    conflict (409)."""
    incident = access.incident(incident_id)
    values = bodies.only(bodies.read(), {"until"}, (), "a mute")
    service.mute(incident.id, bodies.until(values, required=True), access.actor(), moments.now())
    return _answer(incident_id)


@operations.post(
    f"{ONE}/comments",
    "incidents.comment",
    {201: Answer("The incident, your words on its timeline.", "Incident", shapes.EXAMPLE, headers=("Location",))},
    body=Body("Comment", {"text": "Disk full on db-3; cleared it."}),
)
def comment(incident_id: str) -> Response:
    """Comment on an incident."""
    incident = access.incident(incident_id)
    text = bodies.only(bodies.read(), {"text"}, (), "a comment").get("text")
    if not isinstance(text, str):
        raise errors.Invalid({"text": ["is missing or no text; write what you found or did"]})
    service.comment(incident.id, text, access.actor(), moments.now())
    access.look_again()
    return answers.created(_shaped(incident_id), f"{V1}/incidents/{incident_id}")


def _answer(public_id: str) -> Response:
    access.look_again()
    return answers.ok(_shaped(public_id))


def _shaped(public_id: str) -> dict[str, Any]:
    incident = access.incident(public_id)
    names = people.called([incident.assigned_to] if incident.assigned_to else ())
    return shapes.incident(incident, timelines.of_incident(incident.id), names)
