"""Which monitors a slug means, and what a monitor made by a ping is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import monitor_draft, names


@pytest.mark.parametrize(
    ("asked", "slug", "name", "meant"),
    [
        ("nightly-backup", "nightly-backup", "Nightly backup", True),
        ("nightly-backup", "nightly-backup", "Anything else", True),
        ("nightly-backup", "nightly-backup-2", "Nightly backup", True),
        ("nightly-backup", "nightly-backup-9", "NIGHTLY  BACKUP!", True),
        ("nightly-backup", "nightly-backup-2", "Nightly backup 2", False),
        ("nightly-backup", "nightly-backup-2", "Renamed", False),
        ("nightly-backup", "nightly-backup-1", "Nightly backup", False),
        ("nightly-backup", "nightly-backup-10", "Nightly backup", False),
        ("nightly-backup", "nb", "Nightly backup", False),
        ("nightly-backup-2", "nightly-backup-2", "Nightly backup", True),
        ("nightly-backup-2", "nightly-backup", "Nightly backup", False),
        ("nightly_backup", "nightly-backup", "Nightly backup", False),
        ("nightly_backup", "nightly_backup-2", "nightly_backup", False),
    ],
)
def test_a_slug_means_its_monitor_and_those_numbered_for_sharing_the_name(
    asked: str, slug: str, name: str, meant: bool
) -> None:
    assert names.means(asked, slug, name) is meant


@pytest.mark.parametrize(
    ("slug", "name"),
    [("nightly-backup", "Nightly backup"), ("db_dump", "Db dump"), ("2024", "2024"), ("a--b__", "A b"), ("x", "X")],
)
def test_a_new_monitor_is_called_by_its_slug(slug: str, name: str) -> None:
    assert names.name_from(slug) == name


@given(st.from_regex(monitor_draft.SLUG, fullmatch=True))
def test_every_slug_makes_a_name_that_a_monitor_can_have(slug: str) -> None:
    draft = monitor_draft.create(
        {"name": names.name_from(slug), "slug": slug, "schedule": {"kind": "every", "seconds": 60}}
    )
    assert draft.slug == slug


@given(st.text(min_size=1, max_size=200))
def test_a_slug_made_from_a_name_leaves_room_for_a_number(name: str) -> None:
    assert monitor_draft.SLUG.fullmatch(monitor_draft.slug_from(name) + "-99999999")
