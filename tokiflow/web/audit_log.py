"""The audit log as its page shows it: what the address asks for, day by day, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from flask import current_app, url_for

from tokiflow import errors
from tokiflow.core import deeds, ids
from tokiflow.core.monitor_draft import clean
from tokiflow.models import AuditChain, AuditEvent
from tokiflow.queries import audit, audit_chains, things
from tokiflow.queries.audit import Filter
from tokiflow.web import audit_diff, filters

ROWS = 50
PROGRAMS = {"system": "Tokiflow and its operators", "slack": "Somebody in Slack", "ping_key": "The ping key"}
"""By kind of actor: those who have no id."""
_PREFIXES = {"person": "usr", "api_key": "key"}
_NOTES = {"api_key": "API key", "system": "", "slack": "", "ping_key": "", "job": ""}

_PAGES = {
    "monitor": ("mon", "monitors.show", "monitor_id"),
    "incident": ("inc", "incidents.show", "incident_id"),
    "channel": ("chn", "channels.show", "channel_id"),
    "rule": ("rul", "rules.edit", "rule_id"),
    "maintenance_window": ("mnt", "maintenance.show", "window_id"),
    "slack": ("slk", "slack.index", ""),
    "api_key": ("key", "api_keys.index", ""),
    "member": ("usr", "members.index", ""),
    "organization": ("", "organization.show", ""),
    "quiet_hours": ("", "rules.index", ""),
}
"""By noun: the prefix of its ids, and the page that shows it. Without a prefix it is always there."""

Option = tuple[str, str]
"""What stands in the address, and what the page calls it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: a sentence that is `by` + `lead` + `name` + `tail`. `url` leads to the thing, if it is still there;
    `by_url` and `thing_url` narrow the log down to who did it, and to what it was done to."""

    id: str
    n: int | None
    at: datetime
    mark: str
    by: str
    by_note: str
    by_url: str
    lead: str
    name: str
    tail: str
    url: str
    thing_url: str
    address: str
    changes: Sequence[audit_diff.Change]
    summary: str


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The page. `choice` is what the address asks for, `chain` how far the chain reaches."""

    days: Sequence[tuple[datetime, Sequence[Entry]]]
    choice: Mapping[str, str]
    people: Sequence[Option]
    keys: Sequence[Option]
    programs: Sequence[Option]
    whats: Sequence[tuple[Option, Sequence[Option]]]
    thing_name: str
    without_thing: str
    headline: str
    counted: str
    held: int
    since: datetime | None
    chain: AuditChain | None
    url: str
    newer: str | None
    older: str | None
    narrowed: bool


def read(organization_id: UUID, asked: Mapping[str, str]) -> AuditLog:
    """The log as the address `asked` for it. Words it doesn't know are ignored; a broken cursor raises Malformed."""
    choice = understood(asked)
    wanted = wish(choice)
    found = audit.window(organization_id, wanted, after=asked.get("after"), before=asked.get("before"), limit=ROWS)
    place = {name: asked[name] for name in ("after", "before") if asked.get(name)}
    all_here = wanted.words and not place and not found.older
    # Words are looked for in all events: once, if that will do.
    matching = len(found.items) if all_here else audit.count(organization_id, wanted, audit.COUNTED)
    chain = audit_chains.get(organization_id)
    held = chain.n - chain.gone_n + chain.before if chain else 0
    names = _names(organization_id, found.items, wanted.object_id, choice["thing"])
    entries = [_entry(event, choice, names) for event in found.items]
    people = things.people_and_keys(organization_id)
    return AuditLog(
        days=[(day[0].at, day) for day in _by_day(entries)],
        choice=choice,
        people=[*_options(people, "person"), *_gone(choice["who"], people, entries)],
        keys=_options(people, "api_key"),
        programs=list(PROGRAMS.items()),
        whats=[
            (noun, [(what, deeds.general(what)) for what in deeds.of_noun(noun[0])]) for noun in deeds.NOUNS.items()
        ],
        thing_name=_thing_name(choice["thing"], names, entries),
        without_thing=url(choice | {"thing": ""}),
        headline=_counted(matching),
        counted=f"{len(entries)} of {_counted(matching)}, newest first" if matching > len(entries) else "",
        held=held,
        since=audit.oldest_at(organization_id),
        chain=chain,
        url=url(choice | place),
        newer=url(choice | {"before": found.newer}) if found.newer else None,
        older=url(choice | {"after": found.older}) if found.older else None,
        narrowed=any(choice.values()),
    )


def understood(asked: Mapping[str, str]) -> dict[str, str]:
    """What of `asked` is understood, by its name in the address."""
    who, what, thing = (asked.get(name, "").strip() for name in ("who", "what", "thing"))
    return {
        "who": who if who in PROGRAMS or _actor(who) else "",
        "what": what if what in deeds.NOUNS or re.fullmatch(r"[a-z_]{1,30}\.[a-z_]{1,40}", what) else "",
        "thing": thing if _any_id(thing) else "",
        "from": _day(asked.get("from", "")),
        "until": _day(asked.get("until", "")),
        "q": clean(asked.get("q", "")).strip()[:200],
    }


def wish(choice: Mapping[str, str]) -> Filter:
    """The filter that `understood` words stand for; days are the viewer's."""
    who, what = choice["who"], choice["what"]
    kind, actor = _actor(who) or (who, None)
    return Filter(
        by_kind=kind,
        by_id=actor,
        whats=tuple(deeds.of_noun(what)) if what in deeds.NOUNS else (what,) if what else (),
        object_id=_any_id(choice["thing"]),
        since=_midnight(choice["from"]),
        until=_midnight(choice["until"], days=1),
        words=choice["q"],
    )


def url(choice: Mapping[str, str]) -> str:
    """The address of a view, without what goes without saying."""
    said: dict[str, Any] = {name: value for name, value in choice.items() if value}
    return url_for("audit.index", **said)


# --- what the address says --------------------------------------------------------------------------------------


def _actor(who: str) -> tuple[str, UUID] | None:
    """`usr_…` or `key_…`: the kind and id of who did it."""
    for kind, prefix in _PREFIXES.items():
        try:
            return kind, ids.parse(prefix, who)
        except errors.NotFound:
            continue
    return None


def _any_id(public: str) -> UUID | None:
    prefix, found, _ = public.partition("_")
    try:
        return ids.parse(prefix, public) if found and re.fullmatch("[a-z]{3}", prefix) else None
    except errors.NotFound:
        return None


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return ""
    # Beyond these the zones have no midnight, and no log an event.
    return day.isoformat() if 1970 <= day.year <= 2999 else ""


def _midnight(day: str, days: int = 0) -> datetime | None:
    if not day:
        return None
    local = datetime.combine(date.fromisoformat(day) + timedelta(days=days), time(), filters.viewer().zone)
    return local.astimezone(UTC)


# --- who and what there is to choose ----------------------------------------------------------------------------


def _options(found: Sequence[tuple[str, UUID, str]], kind: str) -> list[Option]:
    return [(ids.public(_PREFIXES[kind], one), name) for of, one, name in found if of == kind]


def _gone(who: str, people: Sequence[tuple[str, UUID, str]], entries: Sequence[Entry]) -> list[Option]:
    """Who was chosen, though they are here no more: called as their latest event calls them."""
    known = {ids.public(_PREFIXES[kind], one) for kind, one, _ in people}
    if not who or who in PROGRAMS or who in known:
        return []
    return [(who, entries[0].by if entries else "Somebody who is not here any more")]


def _names(organization_id: UUID, events: Sequence[AuditEvent], object_id: UUID | None, thing: str) -> audit_diff.Names:
    """What all things on the page are called now that are still there."""
    wanted: dict[str, set[UUID]] = {}
    for event in events:
        prefix = _prefix(event.what)
        if prefix and event.object_id:
            wanted.setdefault(prefix, set()).add(event.object_id)
        for named, one in audit_diff.named_in(event.before, event.after):
            wanted.setdefault(named, set()).add(one)
    if object_id:
        wanted.setdefault(thing[:3], set()).add(object_id)
    return things.names(organization_id, wanted)


def _thing_name(thing: str, names: audit_diff.Names, entries: Sequence[Entry]) -> str:
    if not thing:
        return ""
    object_id = _any_id(thing)
    assert object_id is not None
    return names.get((thing[:3], object_id)) or (entries[0].name if entries else "") or thing


def _prefix(what: str) -> str:
    return _PAGES.get(what.partition(".")[0], ("", "", ""))[0]


# --- one event --------------------------------------------------------------------------------------------------


def _entry(event: AuditEvent, choice: dict[str, str], names: audit_diff.Names) -> Entry:
    lead, tail = deeds.halves(event.what)
    entry = Entry(
        id=ids.public("aud", event.id),
        n=event.n,
        at=event.at,
        mark=_MARKS.get(event.what) or _MARKS.get(event.what.partition(".")[2], ""),
        by=event.by,
        by_note=_NOTES.get(event.by_kind, "") if not event.by.startswith("API key") else "",
        by_url=_by_url(event, choice),
        lead=lead,
        name=(event.object_name or "without a name") if tail is not None else "",
        tail=tail or "",
        url=_thing(event, names),
        thing_url=_narrowed_to(event, choice),
        address=event.address,
        changes=(found := audit_diff.changes(event.before, event.after, names)),
        summary=_summary(event, found),
    )
    return _said_shorter(event, entry)


def _said_shorter(event: AuditEvent, entry: Entry) -> Entry:
    """Where a sentence can hold all that changed, it does."""
    new_name = deeds.renamed(event.before, event.after)
    if new_name and event.what.endswith(".edited"):
        lead = entry.lead.replace("changed", "renamed", 1)
        return replace(entry, lead=lead, name=new_name[0] or "without a name", tail=f" to {new_name[1]}")
    until = event.after.get("until")
    if isinstance(until, str) and len(event.after) == 1:
        return replace(entry, tail=f"{entry.tail}{_until(until)}")
    return entry


def _until(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return f" until {filters.clock(moment)}" if moment.tzinfo else ""
    except (ValueError, OverflowError):
        return ""


def _summary(event: AuditEvent, found: Sequence[audit_diff.Change]) -> str:
    labels = [_within_a_sentence(one.label) for one in found]
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED + 1 else ""
    listed = ", ".join(labels[:_NAMED] if more else labels) + more
    return f"{'What changed' if event.before else 'Details'}: {listed}" if listed else ""


def _within_a_sentence(label: str) -> str:
    """`Grace` → `grace`; `URL` stays as it is."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


_NAMED = 3
_MARKS = {"created": "new", "paused": "paused", "muted": "paused", "audit_log.found_broken": "down"}


def _thing(event: AuditEvent, names: audit_diff.Names) -> str:
    """The page of what it was done to, if both are there."""
    prefix, endpoint, argument = _PAGES.get(event.what.partition(".")[0], ("", "", ""))
    if not endpoint or endpoint not in current_app.view_functions:
        return ""
    if not prefix:
        return url_for(endpoint)
    if event.object_id is None or (prefix, event.object_id) not in names:
        return ""
    values: dict[str, Any] = {argument: ids.public(prefix, event.object_id)} if argument else {}
    return url_for(endpoint, **values)


def _by_url(event: AuditEvent, choice: dict[str, str]) -> str:
    prefix = _PREFIXES.get(event.by_kind)
    if prefix and event.by_id:
        return url(choice | {"who": ids.public(prefix, event.by_id)})
    return url(choice | {"who": event.by_kind}) if event.by_kind in PROGRAMS else ""


def _narrowed_to(event: AuditEvent, choice: dict[str, str]) -> str:
    if event.object_id is None or choice["thing"]:
        return ""
    return url(choice | {"thing": ids.public(_prefix(event.what) or "any", event.object_id)})


def _by_day(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    zone = filters.viewer().zone
    for _, group in groupby(entries, key=lambda one: one.at.astimezone(zone).date()):
        yield list(group)


def _counted(matching: int) -> str:
    if matching > audit.COUNTED:
        return f"more than {filters.count(audit.COUNTED, 'event')}"
    return filters.count(matching, "event")
