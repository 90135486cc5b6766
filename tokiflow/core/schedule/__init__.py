"""When a monitor's next ping is expected.

Three kinds, one interface: `Every` counts seconds from a moment, `Cron` and `Calendar` name wall-clock times in a
time zone. Everything here is pure: moments are arguments, aware UTC in and out, and local time stays inside.

How the pieces lie: `kinds` are the values, `zones` cuts a zone's history into stretches of one UTC offset, `pattern`
finds matching wall-clock times, `runs` puts the two together, `counting` counts them, `reading` checks what people
typed, `words` says it back to them, `forecast` shows the next runs and what daylight saving does to them.
"""

from __future__ import annotations

from tokiflow.core.schedule.counting import count_between
from tokiflow.core.schedule.forecast import PlannedRun, Preview, preview
from tokiflow.core.schedule.kinds import Calendar, Cron, Every, Schedule, from_columns, to_dict
from tokiflow.core.schedule.reading import parse
from tokiflow.core.schedule.runs import expected_between, next_after, period_seconds, previous_before
from tokiflow.core.schedule.words import describe

__all__ = [
    "Calendar",
    "Cron",
    "Every",
    "PlannedRun",
    "Preview",
    "Schedule",
    "count_between",
    "describe",
    "expected_between",
    "from_columns",
    "next_after",
    "parse",
    "period_seconds",
    "preview",
    "previous_before",
    "to_dict",
]
