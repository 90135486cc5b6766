from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import tokens


def test_ping_tokens_hold_more_than_128_bits() -> None:
    made = {tokens.new_ping_token() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(token) == 22 and token.isalnum() for token in made)
    assert 62**22 > 2**128


def test_a_ping_key_is_no_token_and_a_token_no_key() -> None:
    key, token = tokens.new_ping_key(), tokens.new_ping_token()
    assert tokens.looks_like_ping_key(key)
    assert not tokens.looks_like_ping_token(key)
    assert tokens.looks_like_ping_token(token)
    assert not tokens.looks_like_ping_key(token)
    assert not tokens.looks_like_ping_key("pk_" + key)


def test_an_api_key_is_recognised_and_its_digest_says_nothing() -> None:
    key = tokens.new_api_key()
    assert tokens.looks_like_api_key(key.text)
    assert key.text.startswith(key.prefix + "_")
    assert key.digest == tokens.digest(key.text)
    assert key.text[13:] not in key.digest


@given(st.text())
def test_other_text_is_no_api_key(text: str) -> None:
    assert not tokens.looks_like_api_key(text)
    assert len(tokens.digest(text)) == 64


def test_one_wrong_letter_breaks_the_checksum() -> None:
    text = tokens.new_api_key().text
    assert not tokens.looks_like_api_key(text[:-1] + ("a" if text[-1] != "a" else "b"))


def test_scanners_are_told_how_to_recognise_a_key() -> None:
    page = (Path(__file__).parents[2] / "docs/api-keys.md").read_text()
    told: dict[str, Any] = {}
    exec(page.split("```python")[1].split("```")[0], told)
    keys = [tokens.new_api_key().text for _ in range(200)]
    assert told["keys_in"](f"KEY={keys[0]}\n" + " ".join(keys[1:])) == keys
    wrong = keys[0][:-1] + ("a" if keys[0][-1] != "a" else "b")
    assert told["keys_in"](f"{wrong} x{keys[1]} {keys[2]}x") == []
    (example,) = re.findall(r"opens nothing: `(\w+)`", page)
    assert tokens.looks_like_api_key(example)
    assert told["keys_in"](page) == [example]


def test_only_the_exact_form_is_a_key() -> None:
    """A checksum alone proves little of a text that was made to fit."""
    text = tokens.new_api_key().text
    for other in (text + "\n", " " + text, text.replace("tfk_", "tfk-"), text[:4] + "_" * 8 + text[12:]):
        assert not tokens.looks_like_api_key(other)
