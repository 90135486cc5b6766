"""What `/tokiflow …` is answered: blocks that only whoever typed it sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import current_app

from tokiflow import errors
from tokiflow.channels import text
from tokiflow.channels.slack_blocks import Block, context, link, mrkdwn, section, sections, several
from tokiflow.core import durations, ids, links, sentences
from tokiflow.core.actors import Actor
from tokiflow.core.slack_commands import Command
from tokiflow.core.status import Status
from tokiflow.models import Incident, Monitor, Organization
from tokiflow.queries import incidents, mentions, monitors
from tokiflow.queries import slack_installations as installed
from tokiflow.queries.monitors import Filter
from tokiflow.services import incidents as incident_service
from tokiflow.services import maintenance
from tokiflow.settings import Settings
from tokiflow.web import filters, slack_presses, troubles

MOST = 20
"""Rows of a list."""
ENDING = 6
"""Letters of an id that are shown, and enough to name an incident."""
HELP = """*/tokiflow status*  what is broken now
*/tokiflow monitors*  every monitor, the worst first
*/tokiflow ack* _id_  say that you are on it; the end of the id or the name of the monitor will do
*/tokiflow mute* _monitor_ _time_  send no more messages about it, for 30m, 1h or 2 days
*/tokiflow help*  this"""
NOT_HERE = "Tokiflow’s app is not connected to this workspace any more. Add it again on the page of its channels."

Answer = dict[str, Any]


def answer(command: Command, team_id: str, name: str, now: datetime) -> Answer:
    """The answer to `command`, typed by `name` in a workspace: `text` and `blocks`."""
    organizations = [one.organization for one in installed.of_team(team_id)]
    if not organizations:
        return _said(NOT_HERE)
    match command.verb:
        case "status":
            return _answer(*(block for one in organizations for block in _status(one, now)))
        case "monitors":
            return _answer(*(block for one in organizations for block in _monitors(one, now)))
        case "ack":
            return _ack(command.what, [one.id for one in organizations], slack_presses.person(name), now)
        case "mute":
            return _mute(command, [one.id for one in organizations], slack_presses.person(name), now)
    mistake = section(mrkdwn(command.mistake)) if command.mistake else None
    return _answer(mistake, section(HELP))


# What is there.


def _status(organization: Organization, now: datetime) -> list[Block]:
    counts = monitors.count_by_status(organization.id, now)
    broken = incidents.unresolved(organization.id, MOST + 1)
    more = incidents.count_unresolved(organization.id) - MOST
    lines = [_trouble(one, now) for one in broken[:MOST]]
    if more > 0:
        lines.append(link(_url(links.within(organization.id, "/app/incidents")), f"and {more:,} more"))
    return several(
        section(f"*{mrkdwn(organization.name, 80)}*: {_counts(counts)}"),
        *sections(lines or ["● Nothing is broken."]),
        context(link(_url(links.within(organization.id, "/app")), "Open Tokiflow")),
    )


def _counts(counts: dict[Status, int]) -> str:
    worst_first = (Status.DOWN, Status.LATE, Status.UP, Status.NEW, Status.PAUSED)
    said = [f"{filters.glyph(one.value)} {counts[one]:,} {one.value}" for one in worst_first if counts[one]]
    return " · ".join(said) or "no monitors yet"


def _trouble(incident: Incident, now: datetime) -> str:
    lasted = durations.words(max((now - incident.last_opened_at).total_seconds(), 0))
    said = [f"{_shape(incident)} *{_incident_link(incident)}* {_sentence(incident)}", f"for {lasted}"]
    if incident.acknowledged_by:
        said.append(f"acknowledged by {mrkdwn(incident.acknowledged_by, 80)}")
    if incident.muted_until and incident.muted_until > now:
        said.append(f"muted for {durations.words((incident.muted_until - now).total_seconds())}")
    return " · ".join([*said, f"`{_ending(incident)}`"])


def _monitors(organization: Organization, now: datetime) -> list[Block]:
    shown = monitors.page(organization.id, Filter(), now, limit=MOST)
    more = sum(monitors.count_by_status(organization.id, now).values()) - len(shown)
    lines = [_monitor(one, now) for one in shown]
    if more > 0:
        lines.append(link(_url(links.within(organization.id, "/app/monitors")), f"and {more:,} more"))
    return several(section(f"*{mrkdwn(organization.name, 80)}*"), *sections(lines or ["No monitors yet."]))


def _monitor(monitor: Monitor, now: datetime) -> str:
    status = monitors.shown_status(monitor, now).value
    pinged = f"last ping {durations.ago(monitor.last_ping_at, now)}" if monitor.last_ping_at else "never pinged"
    return f"{filters.glyph(status)} *{_monitor_link(monitor)}* {status}, {pinged}"


# What is done.


def _ack(what: str, organization_ids: Sequence[UUID], by: Actor, now: datetime) -> Answer:
    found = mentions.incidents(organization_ids, what)
    if len(found) != 1:
        return _which(what, found)
    [incident] = found
    if incident.status == "acknowledged":
        return _said(f"{_of(incident)} is acknowledged already, by {mrkdwn(incident.acknowledged_by, 80)}.")
    said = f"{_of(incident)} is acknowledged. Whoever was told of it hears that you are on it."
    try:
        incident_service.acknowledge(incident.id, by, now)
    except errors.Conflict as conflict:
        return _said(mrkdwn(conflict.message))
    return _said(said)


def _mute(command: Command, organization_ids: Sequence[UUID], by: Actor, now: datetime) -> Answer:
    found = mentions.monitors(organization_ids, command.what)
    if not found:
        return _said(f"There is no monitor called “{mrkdwn(command.what, 80)}”. See */tokiflow monitors*.")
    if len(found) > 1:
        names = "\n".join(f"• {_monitor_link(one)} `{mrkdwn(one.slug, 80)}`" for one in found)
        return _said(f"Which one is it?\n{names}")
    [monitor] = found
    until = now + timedelta(seconds=command.seconds)
    broken = [one.id for one in incidents.going_on([monitor.id])]
    said = [_mute_incident(one, until, by, now) for one in broken] or [_mute_ahead(monitor, until, by, now)]
    return _said(said[0])


def _mute_incident(incident_id: UUID, until: datetime, by: Actor, now: datetime) -> str:
    """It is broken: no more messages about this trouble but that it is over."""
    try:
        incident_service.mute(incident_id, until, by, now)
    except errors.Conflict as conflict:
        return mrkdwn(conflict.message)
    incident = incidents.get(incident_id)
    return f"{_of(incident)} is muted until {_clock(incident.monitor, until, now)}. You still hear when it is over."


def _mute_ahead(monitor: Monitor, until: datetime, by: Actor, now: datetime) -> str:
    """Nothing is wrong with it: trouble until then is expected, and told afterwards if it lasts."""
    window = {
        "name": f"{text.truncate(monitor.name, 80)}, muted by {by.name}",
        "kind": "once",
        "timezone": monitor.schedule_timezone or "UTC",
        "starts_at": now,
        "ends_at": until,
        "monitors": [ids.public("mon", monitor.id)],
    }
    clock = _clock(monitor, until, now)
    try:
        maintenance.create(monitor.organization_id, window, by, now)
    except errors.TokiflowError as error:
        return mrkdwn(error.message)
    return (
        f"Nothing is wrong with *{_monitor_link(monitor)}* now. Trouble until {clock} is told to nobody; "
        "if it lasts longer, you hear of it then."
    )


def _which(what: str, found: Sequence[Incident]) -> Answer:
    if not found:
        return _said(f"No incident that is open is called “{mrkdwn(what, 80)}”. See */tokiflow status*.")
    lines = "\n".join(f"• {_of(one)} `{_ending(one)}`" for one in found)
    return _said(f"Which one is it? Write the letters behind it.\n{lines}")


# How it is said.


def _shape(incident: Incident) -> str:
    return filters.glyph("down" if incident.severity == "critical" else "late")


def _sentence(incident: Incident) -> str:
    words = troubles.failed(incident.summary) if incident.kind == "failed" else incident.summary
    return mrkdwn(words, 200)


def _of(incident: Incident) -> str:
    return f"The trouble of *{_incident_link(incident)}*"


def _ending(incident: Incident) -> str:
    return ids.public("inc", incident.id)[-ENDING:]


def _clock(monitor: Monitor, at: datetime, now: datetime) -> str:
    return mrkdwn(sentences.clock(at, now, monitor.schedule_timezone or "UTC"))


def _incident_link(incident: Incident) -> str:
    return link(_url(f"/app/incidents/{ids.public('inc', incident.id)}"), mrkdwn(incident.monitor.name, 80))


def _monitor_link(monitor: Monitor) -> str:
    return link(_url(f"/app/monitors/{ids.public('mon', monitor.id)}"), mrkdwn(monitor.name, 80))


def _url(path: str) -> str:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.public_url + path


def _said(words: str) -> Answer:
    return _answer(section(words))


def _answer(*blocks: Block | None) -> Answer:
    shown = several(*blocks)[:50]
    return {"text": _plain(shown), "blocks": shown}


def _plain(blocks: Iterable[Block]) -> str:
    """What notifications and screen readers get: the first paragraph."""
    first = next((block for block in blocks if block["type"] == "section"), None)
    return first["text"]["text"] if first else "Tokiflow"
