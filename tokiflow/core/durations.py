"""Lengths of time and sizes, read and written the way people do.

Three ways of writing: `words` is compact, for tables and sentences ("3 m 12 s", "9 h 12 min"); `long` spells the
units out ("1 hour 30 minutes"); `ago` is a length seen from now ("4 min ago").
"""

from __future__ import annotations

import math
import re
from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86_400
LONGEST_TEXT = 100
_UNITS = {"day": DAY, "hour": HOUR, "minute": MINUTE, "second": 1}
_SPELLINGS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), 7 * DAY),
}
_PART = re.compile(r"([0-9]{1,12}) ?([a-z]+)(?:\Z|[ ,]+(?:and )?|(?=[0-9]))")
_HINT = "Write a length of time such as 90, 90 s, 5 m, 1 h 30 min or 2 days."


def words(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 m 12 s`, `9 h 12 min`, `2 days 4 h`: two units at most, rounded down like a stopwatch.

    Run times keep their seconds to the hour, longer waits their minutes. Negative or not a number: `0 s`.
    """
    if not math.isfinite(seconds) or seconds <= 0:
        return "0 s"
    if seconds < 10:
        return _tenths(seconds)
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _pair(whole // MINUTE, "m", whole % MINUTE, "s", padded=True)
    if whole < DAY:
        return _pair(whole // HOUR, "h", whole % HOUR // MINUTE, "min")
    days = whole // DAY
    return _pair(days, "day" if days == 1 else "days", whole % DAY // HOUR, "h")


def long(seconds: float) -> str:
    """`1 hour`, `1 minute 30 seconds`, `2 days 4 hours`: every unit that is not zero, in full words."""
    rest = int(seconds) if math.isfinite(seconds) else 0
    parts = []
    for unit, size in _UNITS.items():
        count, rest = divmod(max(rest, 0), size)
        if count:
            parts.append(_counted(count, unit))
    return " ".join(parts) or "0 seconds"


def ago(then: datetime, now: datetime) -> str:
    """`just now`, `4 min ago`, `9 hours ago`, `2 days ago`; for what is still to come `in 5 h 12 min`."""
    seconds = (now - then).total_seconds()
    if seconds < 0:
        return _ahead(-seconds)
    if seconds < 10:
        return "just now"
    if seconds < MINUTE:
        return f"{int(seconds)} s ago"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min ago"
    if seconds < DAY:
        return f"{_counted(int(seconds // HOUR), 'hour')} ago"
    return f"{_counted(int(seconds // DAY), 'day')} ago"


def parse(text: str) -> int:
    """Seconds behind `90`, `90s`, `5m`, `1h30m`, `1 h 30 min`, `2 days`. A bare number is seconds.

    Raises ValueError with a sentence that says what to write.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(_HINT)
    tidy = " ".join(text.lower().split())
    if re.fullmatch(r"[0-9]{1,12}", tidy):
        return int(tidy)
    total, at = 0, 0
    while at < len(tidy):
        part = _PART.match(tidy, at)
        if part is None or part[2] not in _SPELLINGS:
            raise ValueError(_HINT)
        total, at = total + int(part[1]) * _SPELLINGS[part[2]], part.end()
    if not tidy:
        raise ValueError(_HINT)
    return total


def size(count: int) -> str:
    """`841 B`, `2.1 KB`, `34 KB`, `1.2 MB`: a number of bytes, a kilobyte being 1,024 of them."""
    if count < 1024:
        return f"{max(count, 0)} B"
    amount, unit = count / 1024, "KB"
    for larger in ("MB", "GB", "TB"):
        # Rounded first: 1,048,575 bytes are 1.0 MB and not 1024 KB.
        if round(amount) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}" if round(amount, 1) < 10 else f"{amount:.0f} {unit}"


def _tenths(seconds: float) -> str:
    """Under ten seconds a tenth matters; under a tenth, a hundredth or a millisecond does."""
    if seconds < 0.1:
        return f"{max(int(seconds * 1000), 1)} ms"
    return f"{int(seconds * 10) / 10:g} s"


def _ahead(seconds: float) -> str:
    """Rounded up to the whole second or minute, so that a countdown never claims a run is due before it is."""
    if math.ceil(seconds) < MINUTE:
        return f"in {math.ceil(seconds)} s"
    minutes = math.ceil(seconds / MINUTE)
    if minutes < 60:
        return f"in {minutes} min"
    return f"in {words(minutes * MINUTE)}"


def _pair(first: int, unit: str, second: int, smaller: str, *, padded: bool = False) -> str:
    """Two units, or one if the second is zero. `padded` keeps run times the same width: `3 m 09 s`."""
    if not second:
        return f"{first:,} {unit}"
    return f"{first} {unit} {second:02} {smaller}" if padded else f"{first:,} {unit} {second} {smaller}"


def _counted(count: int, unit: str) -> str:
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"
