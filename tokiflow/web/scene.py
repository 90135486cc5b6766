"""The one calm screen on the front page: what a morning looks like."""

from __future__ import annotations

import random

from tokiflow.web import charts


def rows() -> list[tuple[str, str, str, charts.Strip]]:
    """(status, name, schedule, run strip) of four invented monitors, always the same."""
    return [
        ("up", "Invoice e-mails", "Every 15 minutes", _strip(30, odd=(21,))),
        ("up", "Search index rebuild", "Every 6 hours", _strip(31, odd=())),
        ("late", "Warehouse sync", "Every hour · 3 min late", _strip(33, odd=(34,))),
        ("up", "TLS certificate renewal", "Mondays at 04:30", _strip(35, odd=())),
    ]


def _strip(seed: int, odd: tuple[int, ...]) -> charts.Strip:
    dice = random.Random(seed)
    return charts.run_strip([charts.Tick("unusual" if k in odd else "success", dice.gauss(100, 16)) for k in range(36)])
