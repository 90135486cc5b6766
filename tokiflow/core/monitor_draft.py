"""What people may choose about a monitor, checked: the same for the form, the API and the command line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from tokiflow.core import ids, schedule
from tokiflow.core.schedule import Schedule
from tokiflow.core.sensitivity import Sensitivity
from tokiflow.errors import Invalid, NotFound

LONGEST = 366 * 86_400
MOST_TAGS = 20
MOST_DEPENDENCIES = 50
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_MADE_SLUG = 90  # of 100 letters, so that a number fits behind it
DEFAULT_GRACE = 300
DEFAULT_MAX_RUNTIME = 3600
SHORTEST_DEFAULT_MAX_RUNTIME = 60

_NUMBERS = {
    "grace_seconds": (0, LONGEST),
    "max_runtime_seconds": (1, LONGEST),
    "early_tolerance_seconds": (0, 86_400),
    "failures_to_open": (1, 100),
    "successes_to_resolve": (1, 100),
}
FIELDS = frozenset(
    {
        "name",
        "slug",
        "description",
        "tags",
        "schedule",
        "overlaps_allowed",
        "capture_output",
        "sensitivity",
        "channels",
        "depends_on",
        *_NUMBERS,
    }
)


@dataclass(frozen=True)
class MonitorDraft:
    """A monitor as people wish it. Seconds. `slug` is empty to have one made from the name.

    `channels` is None for the organization's channels, or the ids of its own. Nobody is told while one of the monitors
    in `depends_on` is down. `sensitivity` is a core.anomaly.Sensitivity.
    """

    name: str
    schedule: Schedule
    slug: str = ""
    description: str = ""
    tags: tuple[str, ...] = field(default=())
    grace_seconds: int = DEFAULT_GRACE
    max_runtime_seconds: int = DEFAULT_MAX_RUNTIME
    early_tolerance_seconds: int = 0
    failures_to_open: int = 1
    successes_to_resolve: int = 1
    overlaps_allowed: bool = True
    capture_output: bool = True
    sensitivity: str = Sensitivity.NORMAL.value
    channels: frozenset[UUID] | None = None
    depends_on: frozenset[UUID] = frozenset()


PLAIN = (
    "name", "description", "grace_seconds", "max_runtime_seconds", "early_tolerance_seconds", "failures_to_open",
    "successes_to_resolve", "overlaps_allowed", "capture_output", "sensitivity",
)  # fmt: skip
"""What a draft, a row of `monitors` and the API call by the same name and mean in the same form."""


def plain(thing: Any) -> dict[str, Any]:
    """The plain fields of a draft or a row."""
    return {name: getattr(thing, name) for name in PLAIN}


def default_max_runtime(seconds: float) -> int:
    """How long a run may take when nobody said: its period (`seconds`), between a minute and an hour."""
    return int(min(max(seconds, SHORTEST_DEFAULT_MAX_RUNTIME), DEFAULT_MAX_RUNTIME))


def create(values: Mapping[str, Any], period: Any = None) -> MonitorDraft:
    """A new draft from `values`, named as in the API. `period(schedule)` tells seconds between runs.

    Raises Invalid naming every bad field at once.
    """
    missing = {
        name: [f"is missing; {hint}"]
        for name, hint in (
            ("name", "write what the job is called"),
            ("schedule", 'write when it runs, like {"kind": "every", "seconds": 3600}'),
        )
        if values.get(name) is None
    }
    changes, mistakes = _read(values)
    if missing or mistakes:
        raise Invalid(missing | mistakes)
    if "max_runtime_seconds" not in changes and period is not None:
        changes["max_runtime_seconds"] = default_max_runtime(period(changes["schedule"]))
    return MonitorDraft(**changes)


def change(draft: MonitorDraft, values: Mapping[str, Any]) -> MonitorDraft:
    """`draft` with `values` changed; what they don't name stays. Raises Invalid naming every bad field."""
    changes, mistakes = _read(values)
    if mistakes:
        raise Invalid(mistakes)
    return replace(draft, **changes)


def identity(values: Mapping[str, Any], fields: Collection[str]) -> dict[str, str]:
    """What `values` say in `fields` (name, slug), as it is kept. Raises Invalid for one that is missing or bad."""
    said, mistakes = _read({name: values.get(name) or "" for name in fields})
    for name in fields:
        if not said.get(name) and name not in mistakes:
            mistakes[name] = ["is missing; write what the monitor to be changed has there"]
    if mistakes:
        raise Invalid(mistakes)
    return said


def slug_from(name: str, otherwise: str = "monitor") -> str:
    """`Nightly Backup (EU)` → `nightly-backup-eu`; `otherwise` where no letter is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MADE_SLUG].strip("-") or otherwise


def _read(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    changes: dict[str, Any] = {}
    mistakes: dict[str, list[str]] = {}
    for name, value in values.items():
        if name not in FIELDS:
            continue
        try:
            changes[name] = _field(name, value)
        except Invalid as error:
            mistakes |= error.fields
        except ValueError as error:
            mistakes[name] = [str(error)]
    return changes, mistakes


def _field(name: str, value: Any) -> Any:
    if name in _NUMBERS:
        return _number(value, *_NUMBERS[name])
    return _READERS[name](value)


def _number(value: Any, low: int, high: int) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise ValueError(f"is not a whole number; write one from {low:,} to {high:,}")
    if not low <= value <= high:
        raise ValueError(f"is out of range; write a whole number from {low:,} to {high:,}")
    return int(value)


def line(value: Any, longest: int, what: str) -> str:
    """`value` as one clean line. Raises ValueError if it is no text, empty or too long."""
    if not isinstance(value, str):
        raise ValueError(f"is not text; write {what}")
    text = " ".join(clean(value).split())
    if blank(text):
        raise ValueError(f"is empty; write {what}")
    if len(text) > longest:
        raise ValueError(f"is longer than {longest} characters; shorten it")
    return text


def blank(text: str) -> bool:
    """Whether there is nothing to be seen: spaces, also those of no width, and marks that only steer others."""
    return all(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs") for c in text)


def clean(text: str) -> str:
    """Without NUL, other control characters (but line breaks and tabs) and half characters, which no table can hold."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def _name(value: Any) -> str:
    return line(value, 200, "what the job is called")


def _slug(value: Any) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not SLUG.fullmatch(value):
        raise ValueError("needs 1 to 100 lower-case letters, digits, - or _, beginning with a letter or digit")
    return value


def _description(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("is not text; write what the job does and what to do when it fails")
    text = clean(value.replace("\r\n", "\n")).strip()
    if len(text) > 10_000:
        raise ValueError("is longer than 10,000 characters; shorten it")
    return text


def tags_from(value: Any) -> tuple[str, ...]:
    """`value` as clean tags, each once. Raises ValueError if it is no list of words, or too many."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        raise ValueError('is not a list of words; write it like ["db", "prod"]')
    tags = tuple(dict.fromkeys(" ".join(clean(tag).replace(",", " ").split()) for tag in value))
    tags = tuple(tag for tag in tags if tag)
    if len(tags) > MOST_TAGS or any(len(tag) > 50 for tag in tags):
        raise ValueError(f"has too many or too long tags; write at most {MOST_TAGS}, each of at most 50 characters")
    return tags


def _schedule(value: Any) -> Schedule:
    if not isinstance(value, Mapping):
        raise ValueError('is not a schedule; write it like {"kind": "every", "seconds": 3600}')
    kind = value.get("kind")
    return schedule.parse(
        kind if isinstance(kind, str) else "",
        seconds=value.get("seconds"),
        expression=value.get("expression"),
        timezone=value.get("timezone"),
    )


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false; write one of them")
    return value


def _sensitivity(value: Any) -> str:
    if not isinstance(value, str) or value not in {one.value for one in Sensitivity}:
        raise ValueError("is unknown; write off, low, normal or high")
    return value


def _channels(value: Any) -> frozenset[UUID] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) > 100:
        raise ValueError('is not a list of channels; write it like ["chn_…"], or null for all of the organization')
    try:
        return frozenset(ids.parse("chn", one if isinstance(one, str) else "") for one in value)
    except NotFound:
        raise ValueError("names a channel that does not exist here; take ids from the list of channels") from None


def _depends_on(value: Any) -> frozenset[UUID]:
    if value is None:
        return frozenset()
    if not isinstance(value, list | tuple) or len(value) > MOST_DEPENDENCIES:
        raise ValueError(f'is not a list of at most {MOST_DEPENDENCIES} monitors; write it like ["mon_…"]')
    try:
        return frozenset(ids.parse("mon", one if isinstance(one, str) else "") for one in value)
    except NotFound:
        raise ValueError("names a monitor that does not exist here; take ids from the list of monitors") from None


_READERS = {
    "name": _name,
    "slug": _slug,
    "description": _description,
    "tags": tags_from,
    "schedule": _schedule,
    "overlaps_allowed": _flag,
    "capture_output": _flag,
    "sensitivity": _sensitivity,
    "channels": _channels,
    "depends_on": _depends_on,
}
