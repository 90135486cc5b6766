"""The message as plain text, for whoever shows nothing else: as much of it as fits, the most needed first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tokiflow.channels import text, words
from tokiflow.channels.message import Listed, Message

SUMMARY_LIMIT = 400
REASON_LIMIT = 300
ADVICE_LIMIT = 200

Fits = Callable[[str], bool]

_READ = ("again", "summary", "listing", "reason", "output", "advice", "facts")
"""The parts in the order in which they are read."""


def body(message: Message, fits: Fits) -> str:
    """What happened, why, the last output, what to do and the facts, as much as `fits`; the headline stands elsewhere.

    What is needed most takes its room first: of the output, the oldest lines give way, and of the facts, the last.
    """
    kept: dict[str, str] = {}
    for name, fill in _NEEDED.items():
        kept[name] = fill(message, _room(kept, name, fits))
    return _joined(kept)


def _room(kept: dict[str, str], name: str, fits: Fits) -> Fits:
    """Whether a part called `name` still fits beside those that are `kept`."""
    return lambda part: fits(_joined({**kept, name: part}))


def _joined(kept: dict[str, str]) -> str:
    return "\n\n".join(part for name in _READ if (part := kept.get(name, "")))


def _again(message: Message, fits: Fits) -> str:
    return text.fitting(words.follow_up(message), fits)


def _summary(message: Message, fits: Fits) -> str:
    return text.fitting(text.truncate(words.sentence(message.summary), SUMMARY_LIMIT), fits)


def _reason(message: Message, fits: Fits) -> str:
    return text.fitting(text.truncate(words.sentence(message.reason), REASON_LIMIT), fits)


def _advice(message: Message, fits: Fits) -> str:
    return text.fitting(text.truncate(message.advice, ADVICE_LIMIT), fits)


def _listing(message: Message, fits: Fits) -> str:
    return words.listing(message, _listed, fits)


def _listed(one: Listed) -> str:
    return f"{words.shape(one)} {one.monitor_name} {one.summary}"


def _output(message: Message, fits: Fits) -> str:
    return text.tail(message.last_lines, fits)


def _facts(message: Message, fits: Fits) -> str:
    return _head([f"{label}: {value}" for label, value in words.facts(message)], fits)


def _head(lines: Sequence[str], fits: Fits) -> str:
    """As many of the first `lines` as fit together."""
    return next((kept for end in range(len(lines), 0, -1) if fits(kept := "\n".join(lines[:end]))), "")


_NEEDED: dict[str, Callable[[Message, Fits], str]] = {
    "summary": _summary,
    "again": _again,
    "reason": _reason,
    "advice": _advice,
    "listing": _listing,
    "output": _output,
    "facts": _facts,
}
"""What makes each part, what is needed most first."""
