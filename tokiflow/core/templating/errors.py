"""What is wrong with a template, and where."""

from __future__ import annotations


class TemplateError(ValueError):
    """`Line 3, column 12: monitor.nmae is not known; did you mean monitor.name?`"""

    def __init__(self, why: str, line: int, column: int) -> None:
        super().__init__(f"Line {line}, column {column}: {why}")
        self.why, self.line, self.column = why, line, column


def at(source: str, position: int, why: str) -> TemplateError:
    """The mistake `why` at `position` in `source`."""
    before = source[:position]
    return TemplateError(why, before.count("\n") + 1, position - before.rfind("\n"))
