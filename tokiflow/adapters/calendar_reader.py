"""Read one calendar in a process of its own, so that a hostile one can neither take all memory nor go on for ever.

Started by adapters.calendars: the bytes come on standard input, the answer is JSON on standard output. What the limits
of this process end leaves no answer behind.
"""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import datetime

CPU_SECONDS = 6
MEMORY = 1024 * 1024 * 1024


def main() -> None:
    """`calendar_reader START END ZONE`, both moments in ISO 8601."""
    _limit()
    from tokiflow.core import calendars

    start, end, zone = sys.argv[1:]
    try:
        found = calendars.read(
            sys.stdin.buffer.read(), datetime.fromisoformat(start), datetime.fromisoformat(end), zone
        )
    except calendars.NoCalendar as refused:
        json.dump({"refused": str(refused)}, sys.stdout)
        return
    spans = [[span.starts_at.isoformat(), span.ends_at.isoformat(), span.words] for span in found.spans]
    json.dump({"spans": spans, "note": found.note}, sys.stdout)


def _limit() -> None:
    """As far as the system knows such limits; the parent also looks at the clock."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
