"""Saved views as chips above the list, and as the page that manages them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from flask import url_for

from tokiflow.core import ids
from tokiflow.models import Membership, Preset
from tokiflow.queries import presets
from tokiflow.services.presets import may_change
from tokiflow.web import incident_filter
from tokiflow.web.incident_filter import Choice


@dataclass(frozen=True, slots=True)
class View:
    """One saved view. `by` is empty for one's own; `default`: it opens first for the reader."""

    id: str
    name: str
    url: str
    choice: Choice
    shared: bool
    by: str
    default: bool
    current: bool
    may_change: bool


@dataclass(frozen=True, slots=True)
class PresetList:
    """All that the reader may see. `save_url` saves what is before them, if that is worth a name."""

    views: Sequence[View]
    save_url: str

    @property
    def current(self) -> View | None:
        return next((one for one in self.views if one.current), None)


def read(member: Membership, choice: Choice | None = None, broken: bool = False) -> PresetList:
    """The member's, where `choice` is what is before them."""
    found = [_view(one, member, choice) for one in presets.of(member.organization_id, member.user_id)]
    known = broken or choice in (None, Choice(), Choice(status="all")) or any(one.current for one in found)
    return PresetList(found, "" if known or choice is None else url_for("presets.new", **choice.said))


def opened(query: str) -> str:
    """The address at which the view `query` opens."""
    return f"{url_for('incidents.index')}?{query}"


def kept(row: Preset) -> Choice:
    """The filters of a saved view."""
    return incident_filter.read(dict(parse_qsl(row.query)))[0]


def replaceable(member: Membership, choice: Choice) -> list[tuple[str, str]]:
    """The name of each view that the member may change, and where `choice` takes the place of its filters."""
    found = [one for one in presets.of(member.organization_id, member.user_id) if _may_change(one, member)]
    return [(one.name, url_for("presets.edit", preset_id=ids.public("pre", one.id), **choice.said)) for one in found]


def _may_change(row: Preset, member: Membership) -> bool:
    return may_change(row, member.user_id, member.rank)


def _view(row: Preset, member: Membership, choice: Choice | None) -> View:
    filters = kept(row)
    return View(
        id=ids.public("pre", row.id),
        name=row.name,
        url=opened(row.query),
        choice=filters,
        shared=row.shared,
        by="" if row.user_id == member.user_id else row.user.name or row.user.email,
        default=row.id == member.preset_id,
        current=filters == choice,
        may_change=_may_change(row, member),
    )
