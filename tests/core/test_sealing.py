"""What is sealed opens with its own key, and with no other."""

from __future__ import annotations

import base64

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import sealing

KEY = "a-key-for-tests-only-0123456789-ABCDEFGHIJ"


@given(st.text())
def test_what_was_sealed_comes_back(secret):
    sealed = sealing.seal(secret, KEY)
    assert sealing.unseal(sealed, KEY) == secret
    assert sealing.seal(secret, KEY) != sealed, "the same secret never looks the same"


def test_what_was_sealed_before_with_fernet_opens_and_is_sealed_anew():
    derived = HKDF(SHA256(), 32, salt=None, info=b"tokiflow sealing v1").derive(KEY.encode())
    before = Fernet(base64.urlsafe_b64encode(derived)).encrypt(b"xoxb-1").decode()
    assert sealing.unseal(before, ("another-key-0123456789-ABCDEFGHIJKL", KEY)) == "xoxb-1"
    anew = sealing.sealed_anew(before, KEY)
    assert anew.startswith("s2.")
    assert sealing.unseal(anew, KEY) == "xoxb-1"


@pytest.mark.parametrize("sealed", ["", "xoxb-1", "gAAAA", "ü", "s2.", "s2.ü", "s2.AAAA", "s2.===="])
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
        sealing.unseal(sealed[:-6] + ("AAAAA=" if sealed[-6:] != "AAAAA=" else "BBBBB="), KEY)
