"""What is sealed opens with its own key, and with no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import sealing

KEY = "a-key-for-tests-only-0123456789-ABCDEFGHIJ"


@given(st.text())
def test_what_was_sealed_comes_back(secret):
    sealed = sealing.seal(secret, KEY)
    assert sealing.unseal(sealed, KEY) == secret
    assert sealing.seal(secret, KEY) != sealed, "the same secret never looks the same"


@pytest.mark.parametrize("sealed", ["", "xoxb-1", "gAAAA", "ü"])
def test_nothing_else_opens(sealed):
    with pytest.raises(ValueError, match="another key"):
        sealing.unseal(sealed, KEY)


def test_another_key_opens_nothing():
    with pytest.raises(ValueError, match="another key"):
        sealing.unseal(sealing.seal("s3cret", KEY), KEY + "x")


def test_a_former_key_opens_and_the_newest_seals():
    old, new = sealing.seal("s3cret", KEY), KEY[::-1]
    assert sealing.unseal(old, (new, KEY)) == "s3cret"
    anew = sealing.sealed_anew(old, (new, KEY))
    assert sealing.unseal(anew, new) == "s3cret"
    assert sealing.sealed_anew(anew, (new, KEY)) == anew, "what is sealed with the newest stays"
    with pytest.raises(ValueError, match="another key"):
        sealing.sealed_anew(old, new)


def test_a_changed_text_is_noticed():
    sealed = sealing.seal("s3cret", KEY)
    with pytest.raises(ValueError, match="changed"):
        sealing.unseal(sealed[:-6] + "AAAAA=", KEY)
