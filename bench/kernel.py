"""What the kernel knows of a process and of those it started."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that still live."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in lists for child in one.read_text().split()]


def memory_mb(pid: int) -> float:
    """Megabytes of `pid` with all below it. Of a page that several share, each has its part (PSS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own / 1024 + sum(memory_mb(child) for child in children(pid))


def cpu_seconds(pid: int, *, gone_children: bool = False) -> float:
    """CPU seconds that `pid` has used so far; with `gone_children` also those of children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return sum(int(field) for field in fields[11 : 15 if gone_children else 13]) / TICKS
