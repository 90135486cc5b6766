"""No secret gets through, wherever it stands: properties over generated secrets and surroundings."""

from __future__ import annotations

import string
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import tokens
from tokiflow.observability import scrubbing

LETTERS = string.ascii_letters + string.digits
words = st.text(LETTERS + "-_.~+=", min_size=8, max_size=40)
around = st.text(max_size=30)

PLACES = {
    "ping": "https://tokiflow.example.com/ping/{}/start",
    "ping alias": "/api/ping/{}",
    "ping in a query": "/auth/sign-in?next=%2Fping%2F{}%2Ffail",
    "sign-in link": "GET /auth/link/{} HTTP/1.1",
    "invitation": "'/invitations/{}'",
    "question": "https://tokiflow.example.com/confirm/{}/again",
    "unsubscribe": "List-Unsubscribe: <https://tokiflow.example.com/unsubscribe/{}>",
    "bearer": "Authorization: Bearer {}",
    "header pairs": "[('Authorization', 'Bearer {}'), ('Accept', '*')]",
    "cookie": "Cookie: tokiflow={}; theme=dark",
    "set-cookie": '{{"Set-Cookie": "remember={}; Path=/"}}',
    "database": "could not connect to postgresql+psycopg://tokiflow:{}@db.example.com:5432/tokiflow",
    "redis": "redis://:{}@cache:6379/0",
    "slack": "POST https://hooks.slack.com/services/T0000/B0000/{} gave 404",
    "discord": "https://discord.com/api/webhooks/12345/{}",
    "assignment": "token={} refused",
    "json": '{{"password": "{}"}}',
    "unique violation": "Key (token)=({}) already exists.",
}


@pytest.mark.parametrize("place", PLACES)
@given(secret=words, before=around, after=around)
def test_a_secret_in_its_place_is_masked_whatever_stands_around_it(place, secret, before, after):
    text = f"{before} {PLACES[place].format(secret)} {after}"
    assert secret not in scrubbing.secrets(text).replace(before, "").replace(after, "")


@given(before=around, after=around)
def test_an_api_key_is_masked(before, after):
    key = tokens.new_api_key().text
    assert key.rpartition("_")[2] not in scrubbing.secrets(f"{before} {key} {after}")


@given(before=around, after=around)
def test_a_ping_key_is_masked(before, after):
    key = tokens.new_ping_key()
    assert key not in scrubbing.secrets(f"{before} {key} {after}")


@given(
    st.text(LETTERS, min_size=19, max_size=19)
    .flatmap(lambda rest: st.permutations([*rest, "a", "Z", "7"]))
    .map("".join),
    st.sampled_from(["", " ", "'", '"', "(", ",", ":", "/"]),
)
def test_a_ping_token_by_itself_is_masked(token, edge):
    assert token not in scrubbing.secrets(f"value {edge}{token}{edge} end")


@given(st.text("ab/:@.?%", max_size=40), st.data())
def test_a_password_with_anything_url_encoded_in_it_is_masked(password, data):
    secret = "S3cret" + quote(password, safe="@:")
    assert "S3cret" not in scrubbing.secrets(f"postgresql://user:{secret}@host/db")


def nests(leaf: st.SearchStrategy) -> st.SearchStrategy:
    return st.recursive(leaf, lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3), st.tuples(inner, inner)
    ), max_leaves=12)  # fmt: skip


@given(nests(st.sampled_from(["/ping/SECRET/start", b"/ping/SECRET", ValueError("tfk_SECRET_SECRET"), 3, None])))
def test_values_are_scrubbed_at_any_depth_and_of_any_type(nest):
    assert "SECRET" not in repr(scrubbing.value(nest))


@pytest.mark.parametrize(
    "name", ["Authorization", "cookie", "password", "secret_key", "token", "ping_token", "api-key"]
)
def test_what_goes_by_a_secret_name_is_masked_whatever_it_is(name):
    assert scrubbing.value({"outer": {name: ["hunter2"]}}) == {"outer": {name: "***"}}


@pytest.mark.parametrize(
    "text",
    [
        "monitor mon_01jd0f6h2k3m4n5p6q7r8s9tav is down",
        "route /ping/<token>/<signal>",
        "018f3c6e-0b1c-7e1a-9a53-3f9b1a2b3c4d",
        "GET https://tokiflow.example.com/app/monitors?tag=db took 12 ms",
        "Token expired; the secret is missing",
        "pinging 10.0.0.1, no such channel",
        "token=None",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text):
    assert scrubbing.secrets(text) == text


@given(st.emails(domains=st.just("example.com")), around)
def test_personal_data_is_masked_beside_the_secrets(address, before):
    text = f"{before} mail to <{address}> see https://example.com/app?q=alice%40example.com#x"
    shown = scrubbing.personal(text)
    assert "example.com>" not in shown
    assert "alice" not in shown.removeprefix(before)


@pytest.mark.parametrize("part", ["a.", "http://", "/ping/", "a@", "token=", "://:", "cookie ", "A1a", "%2F", "tfk_"])
def test_hostile_text_is_scrubbed_in_linear_time(part):
    began = time.process_time()
    scrubbing.personal(part * (100_000 // len(part)))
    assert time.process_time() - began < 2
