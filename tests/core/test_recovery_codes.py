"""Recovery codes: long enough, and forgiving to those who type them."""

from __future__ import annotations

import re

import pytest

from tokiflow.core import recovery_codes


def test_a_code_has_120_bits_and_is_never_the_same():
    made = {recovery_codes.new() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}", one) for one in made)


@pytest.mark.parametrize(
    "typed",
    ["0123456789abcdefghjkmnpq", " O123 4567 89AB CDEF GHJK MNPQ ", "oI23-4567-89ab-cdef-ghjk-mnpq"],
)
def test_how_it_is_typed_does_not_matter(typed):
    assert recovery_codes.digest(typed) == recovery_codes.digest("0123-4567-89ab-cdef-ghjk-mnpq")


@pytest.mark.parametrize(
    "typed", ["", "0123", "u123-4567-89ab-cdef-ghjk-mnpq", "é" * 24, "\x00" * 24, "0" * 25, "0" * 9999]
)
def test_what_can_be_no_code_has_no_digest(typed):
    assert recovery_codes.digest(typed) is None
