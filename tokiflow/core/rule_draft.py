"""What people may choose about a rule, checked: the same for every door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tokiflow.core import hours, ids, routing
from tokiflow.core.monitor_draft import clean, line
from tokiflow.core.routing import Condition
from tokiflow.errors import Invalid, NotFound

MOST_STEPS = 5
MOST_WORDS = 20
SHORTEST_WAIT, LONGEST_WAIT = 10, 7 * 86_400


@dataclass(frozen=True)
class RuleDraft:
    """A rule as people wish it: `steps[0]` at once, `steps[n]` after `waits[n - 1]` seconds. See core.routing.Rule."""

    name: str
    condition: Condition = field(default_factory=Condition)
    steps: tuple[frozenset[UUID], ...] = (frozenset(),)
    waits: tuple[int, ...] = ()
    remind: int | None = None
    everybody: bool = False
    last: bool = False


def draft(values: Mapping[str, Any], name: str | None = None) -> RuleDraft:
    """The rule that `values` describe; `name` is given for the default rule, which has no condition.

    `values` hold `name`, `severities`, `kinds`, `tags`, `without`, `environments`, `days`, `from`, `to`, `timezone`,
    `steps` (lists of public ids of channels), `waits`, `remind_seconds`, `everybody`, `last`. Raises Invalid naming
    every bad field at once; the step n is called "step_n" and its wait "wait_n".
    """
    mistakes: dict[str, list[str]] = {}

    def take(field: str, read: Callable[[Any], Any], otherwise: Any) -> Any:
        try:
            return read(values.get(field))
        except ValueError as error:
            mistakes[field] = [str(error)]
            return otherwise

    named = name or take("name", lambda said: line(said, 200, "what the rule is called, like Database"), "")
    when, wrong = hours.read(values)
    condition = Condition(
        severities=take("severities", lambda said: _some(said, routing.SEVERITIES), frozenset()),
        kinds=take("kinds", lambda said: _some(said, routing.KINDS), frozenset()),
        tags=take("tags", _words, frozenset()),
        without=take("without", _words, frozenset()),
        environments=take("environments", _words, frozenset()),
        hours=when,
    )
    everybody, last = take("everybody", _flag, False), take("last", _flag, False)
    remind = take("remind_seconds", lambda said: None if said is None else _wait(said), None)
    waits, bad_waits = _waits(values.get("waits"))
    steps, bad_steps = _steps(values.get("steps"), len(waits) + 1)
    mistakes |= wrong | bad_waits | bad_steps
    if mistakes:
        raise Invalid(mistakes)
    if name:
        return RuleDraft(name, Condition(), steps, waits, remind, everybody)
    return RuleDraft(named, condition, steps, waits, remind, everybody, last)


def _waits(value: Any) -> tuple[tuple[int, ...], dict[str, list[str]]]:
    if value is None:
        return (), {}
    if not isinstance(value, list | tuple):
        return (), {"waits": ["is not a list of seconds; write it like [900, 3600]"]}
    if len(value) >= MOST_STEPS:
        return (), {"waits": [f"has too many steps; a rule may have {MOST_STEPS}"]}
    mistakes: dict[str, list[str]] = {}
    waits: list[int] = []
    for n, said in enumerate(value, start=1):
        try:
            waits.append(_wait(said))
            if len(waits) > 1 and waits[-1] <= waits[-2]:
                raise ValueError("is not longer than that of the step before; each is counted from the beginning")
        except ValueError as error:
            mistakes[f"wait_{n}"] = [str(error)]
    return tuple(waits), mistakes


def _wait(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not SHORTEST_WAIT <= value <= LONGEST_WAIT:
        raise ValueError("is no such length of time; write one from 10 s to 7 days, like 15 min")
    return value


def _steps(value: Any, count: int) -> tuple[tuple[frozenset[UUID], ...], dict[str, list[str]]]:
    listed = value if isinstance(value, list | tuple) else ()
    mistakes: dict[str, list[str]] = {}
    if value is not None and not isinstance(value, list | tuple):
        mistakes["steps"] = ['is not a list of steps; write it like [["chn_…"], ["chn_…"]]']
    if len(listed) > count:
        mistakes["steps"] = ["has more steps than waits; each step but the first needs one"]
    steps = []
    for n in range(count):
        chosen: frozenset[UUID] = frozenset()
        try:
            chosen = _channels(listed[n] if n < len(listed) else ())
            if n and not chosen:
                raise ValueError("names no channel; choose at least one, or remove the step")
        except ValueError as error:
            mistakes[f"step_{n}"] = [str(error)]
        steps.append(chosen)
    return tuple(steps), mistakes


def _channels(value: Any) -> frozenset[UUID]:
    if not isinstance(value, list | tuple) or len(value) > 100:
        raise ValueError('is not a list of channels; write it like ["chn_…"]')
    try:
        return frozenset(ids.parse("chn", one if isinstance(one, str) else "") for one in value)
    except NotFound:
        raise ValueError("names a channel that does not exist here; choose among those that do") from None


def _some(value: Any, known: tuple[str, ...]) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list | tuple) or any(one not in known for one in value):
        raise ValueError(f"is not a list of {', '.join(known[:-1])} or {known[-1]}")
    # Each of them is the same as none of them: it leaves nothing out.
    return frozenset(value) if len(set(value)) < len(known) else frozenset()


def _words(value: Any) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise ValueError('is not a list of words; write it like ["db", "prod"]')
    words = {" ".join(clean(word).split()) for word in value} - {""}
    if len(words) > MOST_WORDS or any(len(word) > 80 for word in words):
        raise ValueError(f"has too many or too long words; write at most {MOST_WORDS}, each of at most 80 characters")
    return frozenset(words)


def _flag(value: Any) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false; write one of them")
    return value
