"""CSV files (RFC 4180, UTF-8) that a spreadsheet will open: their cells, their lines, and how they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tokiflow.services.exporting import Progress

_FORMULAS = tuple("=+-@\t\r\n\0＝＋－＠")


def harmless(cell: object) -> str:
    """A spreadsheet must not take what a stranger wrote for a formula, nor after blanks (OWASP, CSV injection)."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) else text


def moment(at: datetime | None) -> str:
    """RFC 3339, or an empty cell."""
    return at.isoformat() if at else ""


def line(cells: Iterable[object]) -> str:
    """A line of the file, with its end."""
    text = io.StringIO()
    csv.writer(text).writerow([harmless(cell) for cell in cells])
    return text.getvalue()


def write(path: Path, lines: Iterable[str], every: int, total: int, progress: Progress) -> None:
    """Write all of `lines`, and tell how far it is of `total` after `every` of them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        for done, text in enumerate(lines):
            file.write(text)
            if done and done % every == 0:
                progress(done, total)
