"""Choosing monitors out of ten thousand: those that are ticked, and a few that match what is typed.

Without JavaScript what is typed is taken when the form is sent: the whole names or slugs of monitors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import url_for

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.models import Monitor
from tokiflow.queries import monitors
from tokiflow.web import frame

UPSTREAM = "depends_on"
LABELS = {
    UPSTREAM: (
        "Depends on",
        "Monitors it can’t be well without. While one of them is down, nobody is told of this one; if it still is in "
        "trouble when they are well again, people are told then.",
    ),
    "monitors": ("Monitors", "These, and those with one of the tags."),
}
"""What each field of this kind is called, and the help below it."""

FOUND = 8
MOST = 1_000


@dataclass(frozen=True)
class Choice:
    """A monitor to tick."""

    id: str
    name: str
    slug: str
    status: str


@dataclass(frozen=True)
class Picker:
    """The field called `name`: what is `chosen`, what the `words` typed find, and whether there is more."""

    name: str
    url: str
    words: str = ""
    chosen: Sequence[Choice] = ()
    found: Sequence[Choice] = ()
    more: bool = False
    mistakes: Sequence[str] = ()

    @property
    def label(self) -> str:
        return LABELS[self.name][0]

    @property
    def help(self) -> str:
        return LABELS[self.name][1]


def of(
    name: str, organization_id: UUID, ticked: Sequence[str], words: str, *, without: UUID | None = None,
    mistakes: Sequence[str] = (),
) -> Picker:  # fmt: skip
    """The field as it stands: `ticked` are public ids, `words` what is being typed. `without` can't be chosen."""
    keys = [one for one in map(key, ticked[:MOST]) if one]
    chosen = monitors.among(organization_id, keys) if keys else []
    found, more = _matching(organization_id, words, {*keys, without}) if words.strip() else ([], False)
    return Picker(
        name=name,
        url=url_for("monitors.choices", field=name, without=ids.public("mon", without) if without else None),
        words=words,
        chosen=[_choice(one) for one in chosen],
        found=[_choice(one) for one in found],
        more=more,
        mistakes=mistakes,
    )


def taken(organization_id: UUID, ticked: Sequence[str], words: str) -> list[str]:
    """The public ids of what is ticked and of what is named in `words`. Raises ValueError if they name nothing here."""
    typed = " ".join(words.replace("\x00", "").split())
    if not typed:
        return list(ticked)
    names = [typed] if (whole := monitors.called(organization_id, [typed])) else _parts(typed)
    known = whole or monitors.called(organization_id, names)
    named = [_named(name, known) for name in names]
    return list(dict.fromkeys([*ticked, *(ids.public("mon", one.id) for one in named)]))


def _parts(typed: str) -> list[str]:
    return [part.strip() for part in typed.split(",") if part.strip()][:100]


def _named(name: str, known: Sequence[Monitor]) -> Monitor:
    fitting = [one for one in known if one.slug == name.lower()]
    fitting = fitting or [one for one in known if one.name.lower() == name.lower()]
    if not fitting:
        raise ValueError(f"No monitor here is called “{name[:100]}”. Tick one that is found, or write its whole name.")
    if len(fitting) > 1:
        slugs = ", ".join(one.slug for one in fitting[:5])
        raise ValueError(f"Several monitors are called “{name[:100]}”: write the slug of the one you mean, of {slugs}.")
    return fitting[0]


def _matching(organization_id: UUID, words: str, taken: set[UUID | None]) -> tuple[list[Monitor], bool]:
    """The first that match and are not taken yet, and whether there are more."""
    wanted = monitors.Filter(words[:200])
    matching = monitors.page(organization_id, wanted, frame.now(), sort="name", limit=FOUND + len(taken) + 1)
    free = [one for one in matching if one.id not in taken]
    return free[:FOUND], len(free) > FOUND


def key(public_id: str) -> UUID | None:
    """The id behind `public_id`, or None if it is none of a monitor."""
    try:
        return ids.parse("mon", public_id)
    except errors.NotFound:
        return None


def _choice(monitor: Monitor) -> Choice:
    return Choice(ids.public("mon", monitor.id), monitor.name, monitor.slug, monitor.status)
