"""Addresses, and texts full of them, as people paste them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import mail_addresses
from tokiflow.core.mail_addresses import Mistake


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("alice@example.com", ["alice@example.com"]),
        ("  Alice@Example.COM  ", ["alice@example.com"]),
        ("Alice <alice@example.com>", ["alice@example.com"]),
        ('"Lopez, Mia" <mia@example.com>, bob@example.com', ["mia@example.com", "bob@example.com"]),
        ('"a; b" <mia@example.com>;"c@d.example" <bob@example.com>', ["mia@example.com", "bob@example.com"]),
        ("a@example.com,b@example.com;c@example.com", ["a@example.com", "b@example.com", "c@example.com"]),
        ("a@example.com\r\nb@example.com\rc@example.com\n", ["a@example.com", "b@example.com", "c@example.com"]),
        ("a@example.com b@example.com\tc@example.com", ["a@example.com", "b@example.com", "c@example.com"]),
        ("Alice\talice@example.com", ["alice@example.com"]),
        ("mailto:alice@example.com", ["alice@example.com"]),
        ("a@example.com, A@EXAMPLE.com, <a@example.com>", ["a@example.com"]),
        ("Alice@Bücher.example", ["alice@xn--bcher-kva.example"]),
        (",;\n , ;\n\n", []),
        ("", []),
    ],
)
def test_addresses_are_found_however_they_are_written(text: str, addresses: list[str]) -> None:
    found = mail_addresses.pasted(text)
    assert (list(found.addresses), list(found.mistakes)) == (addresses, [])


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("alice", [Mistake(1, "alice")]),
        ("a@example.com\n\nbob at example.com, carl@", [Mistake(3, "bob at example.com"), Mistake(3, "carl@")]),
        ("Alice <alice>", [Mistake(1, "alice")]),
        ("<>", [Mistake(1, "<>")]),
        ("Alice <alice@example.com", [Mistake(1, "<alice@example.com")]),
        ("a@b@example.com", [Mistake(1, "a@b@example.com")]),
        ("a..b@example.com", [Mistake(1, "a..b@example.com")]),
        ("a@-example.com", [Mistake(1, "a@-example.com")]),
        ("@example.com", [Mistake(1, "@example.com")]),
        (f"{'x' * 65}@example.com", [Mistake(1, ("x" * 65 + "@example.com")[:80])]),
        ("y" * 5000, [Mistake(1, "y" * 80)]),
    ],
)
def test_what_is_none_is_named_with_its_line(text: str, mistakes: list[Mistake]) -> None:
    assert list(mail_addresses.pasted(text).mistakes) == mistakes


def test_a_mistake_is_a_sentence() -> None:
    assert str(Mistake(3, "bob")) == "Line 3: “bob” is not an e-mail address"


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    found = mail_addresses.pasted(text)
    assert len(set(found.addresses)) == len(found.addresses)
    assert all(mail_addresses.read(one) == one for one in found.addresses)
    assert all(len(one.text) <= mail_addresses.SHOWN for one in found.mistakes)


@given(st.lists(st.sampled_from(["a@x.example", "B <b@x.example>", '"C, D" <c@x.example>', "mailto:d@x.example"])))
def test_whatever_stands_between_them_does_not_matter(written: list[str]) -> None:
    for between in (",", "; ", "\n", " ,\r\n"):
        found = mail_addresses.pasted(between.join(written))
        assert found.addresses == mail_addresses.pasted("\n".join(written)).addresses
        assert not found.mistakes


def test_a_long_paste_takes_no_longer_than_its_length() -> None:
    for hostile in ('"' * 40_000, "<" * 40_000, "<a>" * 20_000, "@" * 40_000, " " * 40_000 + "x", '"a' * 20_000):
        mail_addresses.pasted(hostile)
