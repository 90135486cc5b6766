"""The one calm screen on the front page: what a morning looks like."""

from __future__ import annotations

import random

from tokiflow.web import charts


def rows() -> list[tuple[str, str, str, charts.Strip]]:
    """(status, name, schedule, run strip) of four invented monitors, always the same."""
    return [
        ("up", "Invoice e-mails", "Every 15 minutes", _strip(30, slow=(21,))),
        ("up", "Search index rebuild", "Every 6 hours", _strip(31, slow=())),
        ("late", "Warehouse sync", "Every hour · 3 min late", _strip(33, slow=(34,))),
        ("up", "TLS certificate renewal", "Mondays at 04:30", _strip(35, slow=())),
    ]


def _strip(seed: int, slow: tuple[int, ...]) -> charts.Strip:
    dice = random.Random(seed)
    return charts.run_strip([charts.Tick("slow" if k in slow else "success", dice.gauss(100, 16)) for k in range(36)])
