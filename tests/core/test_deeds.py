"""What was done, in words."""

from __future__ import annotations

import pytest

from tokiflow.core import deeds


@pytest.mark.parametrize(
    ("what", "name", "said"),
    [
        ("monitor.paused", "Nightly backup", "Alice paused the monitor Nightly backup"),
        ("monitor.token_rotated", "Nightly backup", "Alice gave the monitor Nightly backup a new ping URL"),
        ("quiet_hours.edited", "", "Alice changed the quiet hours"),
        ("monitor.frobbed_twice", "Nightly backup", "Alice frobbed twice: monitor Nightly backup"),
        ("monitor.paused", "", "Alice paused the monitor"),
    ],
)
def test_it_is_a_sentence(what, name, said):
    assert deeds.said(what, "Alice", name) == said


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("monitor.paused", "Paused the monitor"),
        ("monitor.token_rotated", "Gave the monitor … a new ping URL"),
        ("export.asked_for", "Asked for an export"),
    ],
)
def test_as_a_choice_it_names_nothing(what, said):
    assert deeds.general(what) == said


def test_every_deed_names_its_thing_once_at_most():
    assert [what for what, words in deeds.DEEDS.items() if words.count("{") > 1 or words != words.strip()] == []


def test_a_new_name_alone_is_a_renaming():
    assert deeds.renamed({"name": "A"}, {"name": "B"}) == ("A", "B")
    assert deeds.renamed({"name": "A", "slug": "a"}, {"name": "B", "slug": "b"}) == ("A", "B")
    assert deeds.renamed({"name": "A", "grace": 1}, {"name": "B", "grace": 2}) is None
    assert deeds.renamed({}, {"name": "B"}) is None
