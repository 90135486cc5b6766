"""What people type behind /tokiflow, read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tokiflow.core import durations

LONGEST_MUTE = 30 * durations.DAY
LONGEST_NAME = 200
LONGEST_TIME = 8
"""Words in a time at most: "2 days 4 hours and 30 min" has seven."""
CHANGES = frozenset({"ack", "mute"})
"""Verbs that change something."""

_QUOTES = "\"'“”„‘’«»"
_VERBS = {
    "status": "status",
    "monitors": "monitors",
    "list": "monitors",
    "ack": "ack",
    "acknowledge": "ack",
    "mute": "mute",
    "help": "help",
    "": "help",
}


@dataclass(frozen=True)
class Command:
    """`verb` is status, monitors, ack, mute or help. `what` is the incident or monitor it is about, as it was typed.

    mistake: what was not understood, as a sentence; then the verb is help.
    """

    verb: str
    what: str = ""
    seconds: int = 0
    mistake: str = ""


def parse(text: str) -> Command:
    """What `text` asks for. Whatever it is, there is an answer to it."""
    word, _, rest = _plain(text).partition(" ")
    verb = _VERBS.get(word.lower())
    if verb is None:
        return _mistake(f"“{word[:40]}” is not something I know.")
    if verb == "ack":
        return _ack(_unquoted(rest))
    if verb == "mute":
        return _mute(rest)
    return Command(verb)


def _plain(text: str) -> str:
    """One line without controls. Slack escapes three characters, and no others, in what people type."""
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, letter)
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _ack(what: str) -> Command:
    if not what:
        return _mistake("ack needs to know which incident: write its id, the end of its id or the name of its monitor.")
    return Command("ack", what[:LONGEST_NAME])


def _mute(rest: str) -> Command:
    """The time is the longest end of the line that is one; everything before it is the monitor."""
    words = rest.split()
    for start in range(max(1, len(words) - LONGEST_TIME), len(words)):
        written = " ".join(words[start:])
        if written.isdigit():
            number = written[:6]
            return _mistake(f"“{number}” needs a unit: write {number}m for minutes or {number}h for hours.")
        try:
            seconds = durations.parse(written)
        except ValueError:
            continue
        return _muted(words[:start], seconds)
    return _mistake("mute needs a monitor and a time, like mute nightly-backup 1h, or 2h 30m, or 45 min.")


def _muted(words: list[str], seconds: int) -> Command:
    if len(words) > 1 and words[-1].lower() == "for":
        words = words[:-1]
    if not 60 <= seconds <= LONGEST_MUTE:
        return _mistake("mute takes from a minute to 30 days.")
    return Command("mute", _unquoted(" ".join(words))[:LONGEST_NAME], seconds)


def _unquoted(text: str) -> str:
    return re.sub(rf"^[{_QUOTES}]+|[{_QUOTES}]+$", "", text.strip()).strip()


def _mistake(sentence: str) -> Command:
    return Command("help", mistake=sentence)
