"""The list of incidents: what the address asks for, and all that its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import url_for

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Role
from tokiflow.models import Membership, Monitor
from tokiflow.queries import alerts, incident_facets, incidents, memberships, monitors
from tokiflow.queries.incident_facets import Facets
from tokiflow.queries.incidents import Filter, Tally
from tokiflow.services.exporting.incidents import SMALL
from tokiflow.web import filters, incident_filter, preset_list, troubles
from tokiflow.web.incident_filter import KINDS, SEVERITIES, STATUSES, WITHIN, Choice
from tokiflow.web.troubles import Trouble

ROWS = 50
NAMED = 200
"""So many monitors are offered by name; all others are found by typing theirs."""
_SHAPES = {"open": "down", "acknowledged": "late", "resolved": "up"}

Chip = tuple[str, str, int | None, bool, str]
Option = tuple[str, str, int | None]
"""What stands in the address, what the page calls it, and how many there are."""


@dataclass(frozen=True)
class Asked:
    """What an address asks for: in words, as a filter (None where nobody understands it), and what is wrong with it."""

    choice: Choice
    wanted: Filter | None
    mistakes: Sequence[str]
    monitor: Monitor | None = None


@dataclass(frozen=True, slots=True)
class IncidentList:
    """The page. `url` is the address of just this view, which the list asks again while it is open; `matching` how many
    incidents match; `active` what narrows it, in words, each with the address without it."""

    headline: str
    lede: str
    rows: Sequence[Trouble]
    choice: Choice
    mistakes: Sequence[str]
    statuses: Sequence[Chip]
    kinds: Sequence[Option]
    severities: Sequence[Option]
    within: Sequence[Option]
    tags: Sequence[Option]
    people: Sequence[Option]
    assignees: Sequence[Option]
    monitor_names: Sequence[str]
    monitor_name: str
    active: Sequence[tuple[str, str]]
    presets: preset_list.PresetList
    url: str
    newer: str | None
    older: str | None
    counted: str
    matching: int
    large: bool
    ever: bool


def understand(organization_id: UUID, asked: Mapping[str, str], reader: UUID, now: datetime) -> Asked:
    """What `asked` asks for. A monitor may be named by its id or, if there is but one of it, by its name."""
    choice, mistakes = incident_filter.read(asked)
    monitor = None
    if choice.monitor:
        found = _monitors(organization_id, choice.monitor)
        monitor = found[0] if len(found) == 1 else None
        if monitor is None:
            several = f"Several monitors are called “{choice.monitor[:60]}”: open one of them and see its incidents."
            none = f"There is no monitor “{choice.monitor[:60]}” here, or not any more."
            mistakes.append(several if found else none)
        choice = choice.but(monitor=ids.public("mon", monitor.id) if monitor else "")
    if mistakes:
        return Asked(choice, None, mistakes, monitor)
    zone = filters.viewer().zone
    return Asked(choice, incident_filter.wish(choice, monitor.id if monitor else None, reader, now, zone), (), monitor)


def _monitors(organization_id: UUID, word: str) -> Sequence[Monitor]:
    """Those that the address may mean."""
    try:
        return monitors.among(organization_id, [ids.parse("mon", word)])
    except errors.NotFound:
        return monitors.called(organization_id, [word])


def read(member: Membership, asked: Mapping[str, str], now: datetime) -> IncidentList:
    """The list as the address `asked` for it. A broken cursor raises Malformed."""
    organization_id = member.organization_id
    found = understand(organization_id, asked, member.user_id, now)
    choice, wanted = found.choice, found.wanted
    place = {name: asked[name] for name in ("after", "before") if asked.get(name)}
    page = _page(organization_id, wanted, place)
    everything = incidents.tally(organization_id)
    tally = _tally(organization_id, choice, wanted, everything)
    total, shown = tally.count(_status(choice), choice.kind, choice.severity), len(page.items)
    people = memberships.names(organization_id)
    facets = _facets(organization_id, found, member.user_id, now)
    told = alerts.told([one.id for one in page.items]) if page.items else {}
    return IncidentList(
        headline=_headline(everything),
        lede=_lede(everything, incidents.last_ended_at(organization_id)),
        rows=troubles.rows(page.items, now, told, {id: name for id, name, _ in people}),
        choice=choice,
        mistakes=found.mistakes,
        statuses=_statuses(choice, tally),
        kinds=[(value, word, tally.count(_status(choice), value, choice.severity)) for value, word in KINDS.items()],
        severities=[
            (value, word, tally.count(_status(choice), choice.kind, value)) for value, word in SEVERITIES.items()
        ],
        within=[(value, word, facets.periods.get(value, 0)) for value, word in WITHIN.items()],
        tags=[(tag, tag, facets.tags.get(tag, 0)) for tag in _tags(organization_id, choice.tag)],
        people=_people(people, choice.person, member.user_id, facets.hands),
        assignees=[
            ("nobody", "Nobody", facets.assigned.get(None, 0)),
            *_people(
                [one for one in people if one[2] is not Role.VIEWER], choice.assigned, member.user_id, facets.assigned
            ),
        ],
        monitor_names=[name for _, name in monitors.names(organization_id, NAMED)],
        monitor_name=found.monitor.name if found.monitor else "",
        active=_active(choice, found.monitor, people),
        presets=preset_list.read(member, choice, bool(found.mistakes)),
        # What was not understood is asked again as it was, or the list would soon answer something else.
        url=url_for("incidents.index", **incident_filter.as_asked(asked)) if found.mistakes else url(choice, **place),
        newer=url(choice, before=page.newer) if page.newer else None,
        older=url(choice, after=page.older) if page.older else None,
        counted=f"{filters.number(shown)} of {filters.count(total, 'incident')}" if total > shown else "",
        matching=total,
        large=total > SMALL,
        ever=everything.count() > 0,
    )


def url(choice: Choice, **place: Any) -> str:
    """The address of a view. It names the status always: without a word, one's default view opens."""
    return url_for("incidents.index", **choice.said, **place)


def _page(organization_id: UUID, wanted: Filter | None, place: Mapping[str, str]) -> incidents.Window:
    if wanted is None:
        return incidents.Window((), None, None)
    return incidents.window(organization_id, wanted, after=place.get("after"), before=place.get("before"), limit=ROWS)


def _tally(organization_id: UUID, choice: Choice, wanted: Filter | None, everything: Tally) -> Tally:
    if wanted is None:
        return Tally({})
    plain = choice.but(status="all", kind="", severity="")
    return incidents.tally(organization_id, wanted) if plain.narrowed else everything


def _facets(organization_id: UUID, found: Asked, reader: UUID, now: datetime) -> Facets:
    if found.wanted is None:
        return Facets({}, {}, {}, {})
    zone, monitor_id = filters.viewer().zone, found.monitor.id if found.monitor else None
    periods = {
        name: incident_filter.wish(found.choice.but(within=name), monitor_id, reader, now, zone) for name in WITHIN
    }
    return incident_facets.of(organization_id, found.wanted, periods)


def _status(choice: Choice) -> str:
    return "" if choice.status == "all" else choice.status


def _statuses(choice: Choice, tally: Tally) -> list[Chip]:
    return [
        (
            name.capitalize(),
            url(choice.but(status=name)),
            tally.count("" if name == "all" else name, choice.kind, choice.severity),
            name == choice.status,
            _SHAPES.get(name, ""),
        )
        for name in STATUSES
    ]


def _tags(organization_id: UUID, chosen: str) -> list[str]:
    names = [name for name, _ in monitors.tags(organization_id)]
    return sorted({*names, chosen} - {""}, key=str.casefold)


def _people(
    people: Sequence[tuple[UUID, str, Role]], chosen: str, reader: UUID, numbers: Mapping[UUID | None, int]
) -> list[Option]:
    """Oneself first, then the others by name; and whoever is chosen, though they are here no more."""
    others: list[Option] = [(ids.public("usr", id), name, numbers.get(id, 0)) for id, name, _ in people if id != reader]
    mine, me = ids.public("usr", reader), numbers.get(reader, 0)
    known = {"", "me", "nobody", *(value for value, _, _ in others)}
    if chosen == mine:
        return [("me", "Me", me), (mine, "Me, by name", me), *others]
    gone: list[Option] = [] if chosen in known else [(chosen, "Somebody who is not here any more", None)]
    return [("me", "Me", me), *others, *gone]


def _active(choice: Choice, monitor: Monitor | None, people: Sequence[tuple[UUID, str, Role]]) -> list[tuple[str, str]]:
    """What a page tucks away, and is set all the same."""
    names = {ids.public("usr", id): name for id, name, _ in people} | {"me": "me", "nobody": "nobody"}
    gone = "somebody who left"
    words = {
        "monitor": monitor.name if monitor else "",
        "tag": f"tagged {choice.tag}" if choice.tag else "",
        "assigned": f"assigned to {names.get(choice.assigned, gone)}" if choice.assigned else "",
        "person": f"with a hand of {names.get(choice.person, gone)} in it".replace("a hand of me", "my hand")
        if choice.person
        else "",
        "days_from": f"from {choice.days_from}" if choice.days_from else "",
        "days_to": f"up to {choice.days_to}" if choice.days_to else "",
    }
    return [(word, url(choice.but(**{name: ""}))) for name, word in words.items() if word]


def _headline(tally: Tally) -> str:
    """What is wanted of the reader: incidents that nobody has acknowledged come first."""
    number = tally.count("open") or tally.count("acknowledged")
    if not number:
        return "No open incidents"
    if tally.count("open"):
        return f"{filters.spelled(number)} incident{' needs' if number == 1 else 's need'} somebody"
    return f"{filters.spelled(number)} incident{' is' if number == 1 else 's are'} acknowledged"


def _lede(tally: Tally, last_ended_at: datetime | None) -> str:
    opened, seen = tally.count("open"), tally.count("acknowledged")
    if not opened + seen:
        return f"The last one ended {filters.ago(last_ended_at)}." if last_ended_at else "There has never been one."
    if not opened:
        return "Somebody is on it." if seen == 1 else "Somebody is on each of them."
    if not seen:
        return "Nobody has acknowledged " + ("it yet." if opened == 1 else "any of them yet.")
    return f"{filters.spelled(seen)} more {'is' if seen == 1 else 'are'} acknowledged."
