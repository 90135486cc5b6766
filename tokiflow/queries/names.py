"""Which monitors slugs mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, select

from tokiflow.core import names
from tokiflow.db import db
from tokiflow.models import Monitor, Organization


@dataclass(frozen=True, slots=True)
class Entry:
    """A monitor, as far as naming it goes."""

    slug: str
    name: str
    token: str


@dataclass(frozen=True)
class Directory:
    """The organizations that ping keys open, and of each the monitors that were asked for, by slug."""

    organizations: Mapping[str, UUID]
    monitors: Mapping[tuple[UUID, str], Entry]

    def meant(self, organization_id: UUID, slug: str) -> list[Entry]:
        """The monitors of the organization that `slug` means: none, one, or several that share a name."""
        there = (self.monitors.get((organization_id, spelling)) for spelling in names.spellings(slug))
        return [entry for entry in there if entry and names.means(slug, entry.slug, entry.name)]


# Built once, with arrays for parameters: it stands in the way of pings.
_LOOK_UP = (
    select(Organization.ping_key, Organization.id, Monitor.slug, Monitor.name, Monitor.token)
    .outerjoin(
        Monitor,
        (Monitor.organization_id == Organization.id) & (Monitor.slug == any_(bindparam("slugs", type_=ARRAY(Text)))),
    )
    .where(Organization.ping_key == any_(bindparam("keys", type_=ARRAY(Text))))
)


def look_up(keys: Collection[str], slugs: Collection[str]) -> Directory:
    """What `keys` open, and there what `slugs` may mean. One statement, whatever the number."""
    rows = db.session.execute(_LOOK_UP, {"keys": list(keys), "slugs": _spelled(slugs)}).all()
    return Directory(
        {key: organization_id for key, organization_id, *_ in rows if key is not None},
        {(organization_id, entry[0]): Entry(*entry) for _, organization_id, *entry in rows if entry[0]},
    )


def is_ambiguous(monitor: Monitor) -> bool:
    """Whether the slug of `monitor` also means another monitor of its organization."""
    statement = select(Monitor.slug, Monitor.name).where(
        Monitor.organization_id == monitor.organization_id,
        Monitor.id != monitor.id,
        Monitor.slug.in_(_spelled([monitor.slug])),
    )
    return any(names.means(monitor.slug, slug, name) for slug, name in db.session.execute(statement))


def _spelled(slugs: Collection[str]) -> list[str]:
    return list({spelling for slug in slugs for spelling in names.spellings(slug)})
