"""The grammar of ping addresses: a token or a name, and a word.

In the tables `{t}` stands for a token, `{k}` for a ping key.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core.names import Named
from tokiflow.core.tokens import ALPHABET
from tokiflow.ping import reading
from tokiflow.ping.reading import BadPing

TOKEN = "1Zb3kQ8nV5xT2mW7cR4yLp"
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
KEY = "pk_7cR4yLp1Zb3kQ8nV5xT2mW"

TO_TOKENS = [
    ("{t}", "{t}", ""),
    ("{t}/", "{t}", ""),
    ("{t}/start", "{t}", "start"),
    ("{t}/success/", "{t}", "success"),
    ("{t}/fail", "{t}", "fail"),
    ("{t}/log", "{t}", "log"),
    ("{t}/0", "{t}", "0"),
    ("{t}/255/", "{t}", "255"),
    # of no form of ours: a token nobody has
    ("nobody", "nobody", ""),
    ("nobody/start", "nobody", "start"),
    ("nobody/3", "nobody", "3"),
    ("c0ffee00-1234-4abc-8def-0123456789ab/fail/", "c0ffee00-1234-4abc-8def-0123456789ab", "fail"),
    ("pk_short/fail", "pk_short", "fail"),
]

BY_NAME = [
    ("{k}/nightly-backup", "{k}", "nightly-backup", ""),
    ("{k}/nightly-backup/", "{k}", "nightly-backup", ""),
    ("{k}/nightly-backup/start", "{k}", "nightly-backup", "start"),
    ("{k}/nightly-backup/success", "{k}", "nightly-backup", "success"),
    ("{k}/nightly-backup/fail/", "{k}", "nightly-backup", "fail"),
    ("{k}/nightly-backup/log", "{k}", "nightly-backup", "log"),
    ("{k}/nightly-backup/0", "{k}", "nightly-backup", "0"),
    ("{k}/nightly-backup/255", "{k}", "nightly-backup", "255"),
    ("{k}/db_dump", "{k}", "db_dump", ""),
    ("{k}/2024", "{k}", "2024", ""),
    ("{k}/x", "{k}", "x", ""),
    ("{k}/" + "x" * 100, "{k}", "x" * 100, ""),
    # what comes after a key is a slug, whatever it is called
    ("{k}/start", "{k}", "start", ""),
    ("{k}/fail/success", "{k}", "fail", "success"),
    ("{k}/3", "{k}", "3", ""),
    ("{k}/3/3", "{k}", "3", "3"),
    # of no form of ours: a key nobody has
    ("nobody/nightly-backup", "nobody", "nightly-backup", ""),
    ("nobody/start/fail", "nobody", "start", "fail"),
    ("c0ffee00-1234-4abc-8def-0123456789ab/done", "c0ffee00-1234-4abc-8def-0123456789ab", "done", ""),
]

NOT_AT_ALL = [
    "",
    "/",
    "/start",
    "a b",
    "x" * 65,
    "{t}x y",
    "{t}/done",
    "{t}/START",
    "{t}/256",
    "{t}/-1",
    "{t}/start/now",
    "{t}/nightly-backup/start",
    "{k}",
    "{k}/",
    "{k}//",
    "{k}//start",
    "{k}/Nightly-Backup",
    "{k}/START",
    "{k}/nightly.backup",
    "{k}/nightly%backup",
    "{k}/-nightly",
    "{k}/_nightly",
    "{k}/nächtlich",
    "{k}/" + "x" * 101,
    "{k}/nightly\n",
    "{k}/nightly/now",
    "{k}/nightly/START",
    "{k}/nightly/256",
    "{k}/nightly/start/now",
    "nobody/START",
    "nobody/256",
    "nobody/-1",
    "nobody/1.5",
    "nobody/nightly/done",
]


def filled(text: str) -> str:
    return text.replace("{t}", TOKEN).replace("{k}", KEY)


@pytest.mark.parametrize("prefix", ["/ping/", "/api/ping/"])
@pytest.mark.parametrize(("path", "token", "word"), TO_TOKENS)
def test_an_address_with_a_token(prefix: str, path: str, token: str, word: str) -> None:
    assert reading.address(prefix + filled(path)) == reading.Address(filled(token), word)


@pytest.mark.parametrize("prefix", ["/ping/", "/api/ping/"])
@pytest.mark.parametrize(("path", "key", "slug", "word"), BY_NAME)
def test_an_address_by_name(prefix: str, path: str, key: str, slug: str, word: str) -> None:
    assert reading.address(prefix + filled(path)) == reading.Address(Named(filled(key), slug), word)


@pytest.mark.parametrize("path", NOT_AT_ALL)
def test_what_is_no_address_is_told_so(path: str) -> None:
    for prefix in ("/ping/", "/api/ping/"):
        with pytest.raises(BadPing, match=r"^invalid url format[^\n]*$"):
            said(prefix + filled(path))


def said(path: str, query: str = "") -> reading.Address:
    """The address, once its word has been read as well."""
    address = reading.address(path, query)
    reading.read(address.word, query, "GET", NOW, {}, "203.0.113.7")
    return address


@pytest.mark.parametrize("path", ["/", "/ping", "/pings/x", "/app/ping/x", "//ping/x"])
def test_other_paths_are_no_pings(path: str) -> None:
    with pytest.raises(BadPing, match="invalid url format"):
        reading.address(path)


@pytest.mark.parametrize(
    ("query", "create"),
    [
        ("", False),
        ("create=1", True),
        ("create=true", True),
        ("create=YES", True),
        ("create=0", False),
        ("create=false", False),
        ("create=no", False),
        ("create=", False),
        ("create=1&create=0", False),
        ("rid=&create=1", True),
        ("created=1", False),
    ],
)
def test_a_monitor_is_made_only_when_asked_for(query: str, create: bool) -> None:
    assert reading.address(f"/ping/{KEY}/nightly-backup/start", query).to == Named(KEY, "nightly-backup", create)


def test_a_wish_that_makes_no_sense_is_told_so() -> None:
    with pytest.raises(BadPing, match=r"^bad create: write 1"):
        reading.address(f"/ping/{KEY}/nightly-backup", "create=maybe")
    assert reading.address(f"/ping/{TOKEN}", "create=maybe").to == TOKEN, "to a token it is just unknown"


def read(path: str) -> reading.Address | None:
    try:
        return reading.address(path)
    except reading.NotAPing:
        return None


@given(st.text(max_size=300))
def test_any_path_is_an_address_or_none(path: str) -> None:
    address = read("/ping/" + path)
    if address is not None:
        assert path.startswith(address.to.key if isinstance(address.to, Named) else address.to)


@given(st.text(ALPHABET, min_size=22, max_size=22), st.text(max_size=20))
def test_a_token_is_never_taken_for_a_key_nor_a_key_for_a_token(letters: str, rest: str) -> None:
    for first, kind in ((letters, str), ("pk_" + letters, Named)):
        address = read(f"/ping/{first}/{rest}")
        assert address is None or isinstance(address.to, kind)
