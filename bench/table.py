"""Tables that read well on a terminal and can be pasted into Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table: the first `words` columns to the left, the others to the right, each equally wide all down."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    ruler = ["-" * width if n < words else f"{'-' * (width - 1)}:" for n, width in enumerate(widths)]
    return "\n".join(_line(cells, widths, words) for cells in (head, ruler, *rows))


def _line(cells: Sequence[str], widths: Sequence[int], words: int) -> str:
    padded = [
        cell.ljust(width) if n < words else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"
