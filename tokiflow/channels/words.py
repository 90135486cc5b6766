"""How Tokiflow says it: the headline and the facts of a message, the same in every medium."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tokiflow.channels import text
from tokiflow.channels.message import Listed, Message
from tokiflow.core import durations

_UNIT = re.compile(r"(\d) (days?|h|min|m|s|ms|KB|MB)\b")
STRIP_LEVELS = "▁▂▃▄▅▆▇"
STRIP_BAD = {"failed": "✕", "overran": "✕", "missed": "┆"}


@dataclass(frozen=True)
class Tone:
    """A state as a word, a shape and a name for its colour, never as a colour alone."""

    name: str
    """down · late · up · rest"""
    word: str
    shape: str


_TONES = {
    "opened": Tone("down", "Down", "▲"),
    "reopened": Tone("down", "Down again", "▲"),
    "flapping": Tone("late", "Flapping", "◔"),
    "escalated": Tone("down", "Still down", "▲"),
    "reminder": Tone("down", "Still down", "▲"),
    "acknowledged": Tone("late", "Acknowledged", "◔"),
    "assigned": Tone("down", "Down", "▲"),
    "muted": Tone("down", "Down", "▲"),
    "unmuted": Tone("down", "Down", "▲"),
    "resolved": Tone("up", "Up", "●"),
    "summary": Tone("down", "Down", "▲"),
    "test": Tone("rest", "Test", "◌"),
}
_OF_TROUBLE = frozenset({"opened", "reopened", "escalated", "reminder", "assigned", "muted", "unmuted"})
_WARNING = Tone("late", "Warning", "◔")
_AS_USUAL = Tone("up", "As usual", "●")
_UNUSUAL = frozenset({"anomaly", "degraded"})
"""Kinds of trouble in which the monitor is up all the while."""


def tone(message: Message) -> Tone:
    """How serious it is, at a glance."""
    if message.severity == "warning" and message.kind in _OF_TROUBLE:
        return _WARNING
    if message.kind == "resolved" and message.incident_kind in _UNUSUAL:
        return _AS_USUAL
    if message.kind == "summary" and all(one.status == "up" for one in message.listed):
        return _TONES["resolved"]
    return _TONES.get(message.kind, _WARNING)


def tone_of(one: Listed) -> Tone:
    """How one of many stands."""
    return {"late": _WARNING, "up": _TONES["resolved"]}.get(one.status, _TONES["opened"])


def headline(message: Message) -> str:
    """All of it in a subject line: "Down: Nightly backup missed its 02:05 ping"."""
    if message.kind == "test":
        return f"Test: alerts of {message.organization} arrive here"
    if message.kind == "summary":
        return _summary_headline(message)
    return f"{tone(message).word}: {message.monitor_name} {_verb(message)}"


def short_headline(message: Message, fits: Callable[[str], bool]) -> str:
    """The headline, its name cut until it `fits`: what happened is worth more than the end of a long name."""
    name = "monitor_name" if message.about_incident else "organization"
    told: dict[str, str] = {}

    def fitting(cut: str) -> bool:
        changed: Any = {name: cut}
        told[cut] = headline(replace(message, **changed))
        return fits(told[cut])

    cut = text.fitting(getattr(message, name), fitting)
    return told[cut] if cut else text.fitting(headline(message), fits)


def _summary_headline(message: Message) -> str:
    """`Down: 23 monitors of Harbour Freight, 4 are back`."""
    total = message.listed_total or len(message.listed)
    back = message.back
    monitors = f"{total} monitors of {message.organization}" if total != 1 else f"a monitor of {message.organization}"
    if back >= total:
        return f"Up: {'all ' if total > 1 else ''}{monitors} {'are' if total != 1 else 'is'} back"
    word = tone(message).word
    return f"{word}: {monitors}" + (f", {back} {'is' if back == 1 else 'are'} back" if back else "")


def _verb(message: Message) -> str:
    if message.kind == "resolved":
        back = "is as usual again" if message.incident_kind in _UNUSUAL else "is back"
        how = f"was resolved by {message.by}" if message.by else back
        return how if message.down_seconds is None else f"{how} after {durations.words(message.down_seconds)}"
    if message.kind == "flapping":
        return "is unusual again and again" if message.incident_kind in _UNUSUAL else "keeps failing and recovering"
    if message.kind == "acknowledged":
        return f"is being looked at by {message.acknowledged_by}" if message.acknowledged_by else "is being looked at"
    if message.incident_kind == "missed":
        return f"missed its {message.local(message.opened_at):%H:%M} ping"
    if message.incident_kind == "failed":
        return "failed" if message.exit_code is None else f"failed with exit code {message.exit_code}"
    if message.incident_kind == "overrun":
        return "is running too long"
    if message.incident_kind == "degraded":
        return "has become slower" if "slower" in message.summary else "has grown"
    # The first numbers are what there is to say: `took 3 s; usually 12 m`, without ± 40 s and z.
    return message.summary.removeprefix(message.monitor_name).partition(" ± ")[0].strip() or "needs a look"


LISTING_LIMIT = 20
_SHAPES = {"down": "▲", "late": "◔", "up": "●"}


def shape(one: Listed) -> str:
    """How one of many stands, at a glance."""
    return _SHAPES.get(one.status, "▲")


def listing(
    message: Message, line: Callable[[Listed], str], fits: Callable[[str], bool], limit: int = LISTING_LIMIT
) -> str:
    """The incidents of a summary, one a line, as many as fit and as somebody reads; then "and 34 more"."""
    total = max(message.listed_total, len(message.listed))
    shown = [line(one) for one in message.listed[:limit]]
    while shown:
        more = total - len(shown)
        written = "\n".join([*shown, f"and {more:,} more"] if more else shown)
        if fits(written):
            return written
        shown.pop()
    return ""


def facts(message: Message) -> list[tuple[str, str]]:
    """What one asks next, as label and value, in the order one asks it. Empty answers are left out."""
    rows = [
        (_time_label(message), _time_words(message)),
        ("Schedule", message.schedule_words),
        ("Exit code", "" if message.exit_code is None else str(message.exit_code)),
        (
            _duration_label(message),
            "" if message.duration_seconds is None else durations.words(message.duration_seconds),
        ),
        ("Environment", message.environment),
        ("Acknowledged by", message.acknowledged_by if message.kind in ("reminder", "resolved") else ""),
        ("Tags", ", ".join(message.tags)),
    ]
    return [(label, value) for label, value in rows if label and value]


def _duration_label(message: Message) -> str:
    return "Running for" if message.incident_kind == "overrun" and not message.resolved_at else "Took"


def _time_label(message: Message) -> str:
    if not message.about_incident:
        return "Since" if message.kind == "summary" else "Sent"
    if not message.resolved_at:
        return "Since"
    return "Was unusual" if message.incident_kind in _UNUSUAL else "Was down"


def _time_words(message: Message) -> str:
    if not message.about_incident:
        return moment(message, message.opened_at if message.kind == "summary" else message.sent_at)
    if message.resolved_at is None or message.down_seconds is None:
        return moment(message, message.opened_at)
    down = durations.words(message.down_seconds)
    return f"{down}, {_day_and_time(message, message.opened_at)} to {_until(message, message.resolved_at)}"


def _until(message: Message, resolved_at: datetime) -> str:
    """The time alone where the day is the same."""
    if message.local(message.opened_at).date() == message.local(resolved_at).date():
        return f"{message.local(resolved_at):%H:%M} ({message.timezone})"
    return moment(message, resolved_at)


def links(message: Message) -> list[tuple[str, str]]:
    """Where to go from here, as label and address, the most useful first."""
    if not message.about_incident:
        label = "See all incidents" if message.kind == "summary" else "See your channels"
        return [(label, message.incident_url)] if message.incident_url else []
    found = [("Open the incident", message.incident_url), ("See the monitor", message.monitor_url)]
    return [(label, url) for label, url in found if url]


def moment(message: Message, at: datetime) -> str:
    """`at` for the reader, with the zone it is told in: "Sat 21 Nov, 02:05 (Europe/Berlin)"."""
    return f"{_day_and_time(message, at)} ({message.timezone})"


def clock(message: Message, at: datetime) -> str:
    """`at` as short as can be told apart: "02:05" on the day of the message, else "Fri 20 Nov, 23:50"."""
    today = message.local(at).date() == message.local(message.sent_at).date()
    return f"{message.local(at):%H:%M}" if today else _day_and_time(message, at)


def signed(message: Message) -> str:
    """Who writes, and why here: "Harbour Freight · Tokiflow, told by the rule “Database”"."""
    return f"{message.organization} · Tokiflow" + (f", told {message.because}" if message.because else "")


def output(message: Message) -> tuple[str, tuple[str, ...]]:
    """The job's own words, with what to call them: of trouble that is over, those that it began with."""
    if message.kind == "resolved" and not message.last_lines:
        return "Output of the trouble", message.lines_before
    return "Last output", message.last_lines


def follow_up(message: Message) -> str:
    """Why it is told again, in a sentence; empty for news."""
    if message.kind == "escalated":
        return f"Nobody has acknowledged it yet, so it comes to you: step {message.step} of its escalation."
    if message.kind == "reminder":
        by = message.acknowledged_by
        return f"A reminder: it is not over. {by} has acknowledged it." if by else "A reminder: it is not over."
    return ""


def _day_and_time(message: Message, at: datetime) -> str:
    local, now = message.local(at), message.local(message.sent_at)
    year = "" if abs(now - local) < timedelta(days=180) else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year}, {local:%H:%M}"


def sentence(said: str) -> str:
    """`said` with a full stop, unless it has an end already."""
    return said if not said or said[-1] in ".!?…:" else f"{said}."


def unbroken(said: str) -> str:
    """`said` in which no line ends between a number and its unit."""
    return _UNIT.sub("\\1\N{NO-BREAK SPACE}\\2", said)


def strip(message: Message) -> str:
    """The run strip where there are only letters: height is duration, ✕ failed, ┆ missed."""
    return "".join(STRIP_BAD.get(outcome) or _level(height) for outcome, height in message.runs)


def _level(height: float) -> str:
    return STRIP_LEVELS[min(int(max(height, 0.0) * len(STRIP_LEVELS)), len(STRIP_LEVELS) - 1)]


def strip_words(message: Message) -> str:
    """The run strip for those who can't see it: "24 runs, newest last: 21 good, 2 failed, 1 missed"."""
    outcomes = [outcome for outcome, _ in message.runs]
    bad = [(word, outcomes.count(word)) for word in ("failed", "overran", "missed")]
    good = len(outcomes) - sum(count for _, count in bad)
    parts = [f"{good} good", *(f"{count} {word}" for word, count in bad if count)]
    runs = "run" if len(outcomes) == 1 else "runs"
    return f"The last {len(outcomes)} {runs}, newest on the right: {', '.join(parts)}"
