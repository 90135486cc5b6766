"""Cells of a CSV file that a spreadsheet will open."""

from __future__ import annotations

_FORMULAS = tuple("=+-@\t\r\n\0＝＋－＠")


def harmless(cell: object) -> str:
    """A spreadsheet must not take what a stranger wrote for a formula, nor after blanks (OWASP, CSV injection)."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) else text
