"""docs/security.md names what shows each point, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## OWASP ASVS")[2].partition("### Open")[0]
ROWS: list[tuple[str, str, str]] = re.findall(r"^\| (\d.*?) \| (.*) \| (.*?) \|$", TABLE, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`([\w./-]+\.(?:py|md|yml|lock|js)(?:::\w+)?)`", PAGE)))

LEVEL_2 = {
    "1": {1: 7, 2: 4, 4: 5, 5: 4, 6: 4, 7: 2, 8: 2, 9: 2, 10: 1, 11: 2, 12: 2, 14: 6},
    "2": {1: 12, 2: 3, 3: 3, 4: 6, 5: 7, 6: 3, 7: 6, 8: 7, 9: 3, 10: 4},
    "3": {1: 1, 2: 4, 3: 4, 4: 5, 5: 3, 7: 1},
    "4": {1: 5, 2: 2, 3: 3},
    "5": {1: 5, 2: 8, 3: 10, 4: 3, 5: 4},
    "6": {1: 3, 2: 6, 3: 2, 4: 2},
    "7": {1: 4, 2: 2, 3: 4, 4: 3},
    "8": {1: 4, 2: 3, 3: 8},
    "9": {1: 3, 2: 4},
    "10": {2: 2, 3: 3},
    "11": {1: 8},
    "12": {1: 3, 2: 1, 3: 6, 4: 2, 5: 2, 6: 1},
    "13": {1: 5, 2: 6, 3: 2, 4: 2},
    "14": {1: 4, 2: 6, 3: 3, 4: 7, 5: 4},
}
"""By chapter and section: the last point of level 1 or 2."""

NOT_OURS = {"1.4.2", "1.4.3", "1.12.1", "4.1.4", "7.3.2", "13.1.2", "13.2.4", "14.3.1"}
"""Taken out of the standard, or of level 3."""


def points(text: str) -> set[str]:
    """The points that are named in `text`, with those between `2.1.1–2.1.12`."""
    found = set()
    for first, last in re.findall(r"(\d+\.\d+\.\d+)(?:–(\d+\.\d+\.\d+))?", text):
        section, _, number = first.rpartition(".")
        end = int((last or first).rpartition(".")[2])
        found |= {f"{section}.{n}" for n in range(int(number), end + 1)}
    return found


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert (ROOT / path).is_file()
    if test:
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_point_of_level_2_is_answered() -> None:
    asked = {
        f"{chapter}.{section}.{n}"
        for chapter, sections in LEVEL_2.items()
        for section, last in sections.items()
        for n in range(1, last + 1)
    } - NOT_OURS
    told = PAGE.partition("## OWASP ASVS")[2]
    answered = set().union(*(points(row.split("|")[1]) for row in told.splitlines() if row.startswith("| ")))
    assert sorted(asked - answered) == []
    assert sorted(answered - asked) == []


def test_every_row_says_what_shows_it() -> None:
    assert len(ROWS) > 50
    for numbers, _, shown in ROWS:
        assert shown == "—" or "`" in shown, numbers
