from __future__ import annotations

import contextlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import ids
from tokiflow.errors import NotFound


@given(st.uuids())
def test_the_outside_form_leads_back(identifier: UUID) -> None:
    text = ids.public("mon", identifier)
    assert len(text) == len("mon_") + 26
    assert ids.parse("mon", text) == identifier
    assert ids.parse("mon", "mon_" + text[4:].upper()) == identifier


@given(st.text() | st.text(ids.ALPHABET, min_size=26, max_size=26).map("mon_{}".format))
def test_any_other_text_names_nothing(text: str) -> None:
    with contextlib.suppress(NotFound):
        assert ids.public("mon", ids.parse("mon", text)).lower() == text.lower()


def test_another_prefix_names_nothing() -> None:
    with pytest.raises(NotFound):
        ids.parse("run", ids.public("mon", ids.new()))


def test_new_ids_are_version_7_and_in_order() -> None:
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {7}
