"""The page of API keys: made once and never seen again, replaced with an overlap, revoked, found among a thousand."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.factories import make_api_key, save
from tests.house.statements import statements
from tests.web.posting import token_on
from tokiflow.core import ids, tokens
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, ApiKeyUse, AuditEvent, Letter
from tokiflow.queries import api_keys as queries
from tokiflow.services import api_keys
from tokiflow.web import proofs

PAGE = "/app/settings/api-keys"
NEW = f"{PAGE}/new"
WHOLE = re.compile(r"tfk_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}")


@pytest.fixture
def alices(client_for, alice):
    return client_for(alice)


def once_on(client, page: str = NEW) -> str:
    found = re.search(r'name="once"[^>]*value="(key_\w+)"', client.get(page).text)
    assert found
    return found[1]


def send(client, url: str = NEW, **fields: Any) -> TestResponse:
    """Fill in the form at `url` as a browser does, and send it."""
    usual: dict[str, Any] = {"once": once_on(client, url), "lasts": "never"}
    if url == NEW:
        usual |= {"name": "ci", "scopes": ["read", "write"]}
    else:
        usual |= {"overlap": "24"}
    return client.post(url, data={"csrf_token": token_on(client, url), **usual, **fields})


def key_in(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.text
    (key,) = set(WHOLE.findall(answer.text))
    return str(key)


def only_row() -> ApiKey:
    return db.session.execute(select(ApiKey)).scalar_one()


def address(row: ApiKey, more: str = "") -> str:
    return f"{PAGE}/{ids.public('key', row.id)}{more}"


# --- made, and shown once -------------------------------------------------------------------------------------


def test_a_key_is_made_and_shown_in_that_one_answer(alices, alice, organization, caplog):
    answer = send(alices, scopes=["write", "read"])
    key = key_in(answer)
    row = queries.authenticate(key, datetime.now(UTC))
    assert row is not None
    assert (row.name, row.scopes, row.created_by, row.expires_at) == ("ci", ["read", "write"], alice.id, None)
    assert row.organization_id == organization.id
    assert f'readonly value="{key}"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    secret = key[13:]
    assert secret not in str(answer.headers)
    assert secret not in caplog.text
    with alices.session_transaction() as session:
        assert secret not in str(dict(session))
    for page in (PAGE, address(row), NEW, address(row, "/rotate"), address(row, "/revoke")):
        assert secret not in alices.get(page).text
    for kept in (*db.session.execute(select(AuditEvent)).scalars(), *db.session.execute(select(Letter)).scalars()):
        assert secret not in str({column.name: getattr(kept, column.name) for column in kept.__table__.columns})


def test_a_form_sent_twice_makes_one_key_and_does_not_show_it_again(alices):
    once = once_on(alices)
    key = key_in(send(alices, once=once))
    again = send(alices, once=once)
    assert again.status_code == 303
    assert again.headers["Location"] == f"{PAGE}/{once}"
    page = alices.get(f"{PAGE}/{once}").text
    assert "This form was sent twice" in page
    assert key not in page
    assert only_row().prefix == key[:12]


def test_a_form_that_names_somebody_elses_key_finds_nothing(alices, other_organization):
    theirs = make_api_key(other_organization)
    assert send(alices, once=ids.public("key", theirs.id)).status_code == 404
    assert only_row().id == theirs.id


@pytest.mark.parametrize("once", ["", "key_1", "mon_" + "0" * 26, "\x00", "key_" + "z" * 26])
def test_a_form_without_its_number_makes_nothing_and_may_be_sent_again(alices, once):
    answer = send(alices, once=once)
    assert answer.status_code == 422
    assert "Send it again" in answer.text
    assert 'value="ci"' in answer.text
    fresh = re.search(r'name="once"[^>]*value="(key_\w+)"', answer.text)
    assert fresh
    assert key_in(send(alices, once=fresh[1]))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": " "}, "Name: "),
        ({"name": "x" * 201}, "Name: "),
        ({"scopes": []}, "It may: "),
        ({"scopes": ["admin"]}, "It may: It has admin in it"),
        ({"lasts": "1000"}, "The key works for: Choose one of these."),
        ({"lasts": "date", "last_day": "soon"}, "Last day: Write a day, such as "),
        ({"lasts": "date", "last_day": "2020-01-01"}, "Last day: This day has passed"),
        ({"lasts": "date", "last_day": "9999-12-31"}, "Last day: Write a day"),
    ],
    ids=["blank", "long", "nothing", "unknown", "length", "words", "past", "far"],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(alices, fields, said):
    answer = send(alices, **{"name": "Grafana", **fields})
    assert answer.status_code == 422
    assert said in answer.text
    assert "Grafana" in answer.text or "name" in fields
    assert db.session.execute(select(ApiKey)).first() is None


def test_how_long_it_works(alices, alice):
    key_in(send(alices, lasts="30"))
    ends = only_row().expires_at
    assert ends is not None
    assert timedelta(days=29) < ends - datetime.now(UTC) <= timedelta(days=30)


def test_a_last_day_is_over_at_midnight_where_the_person_is(alices, alice):
    key_in(send(alices, lasts="date", last_day="2031-12-31"))
    assert only_row().expires_at == datetime(2031, 12, 31, 23, tzinfo=UTC)  # Alice is in Berlin


def test_too_many_keys_in_an_hour_are_refused_kindly(alices, alice, organization):
    now = datetime.now(UTC)
    for _ in range(api_keys.BY_A_PERSON):
        make_api_key(organization, now=now - timedelta(minutes=50), created_by=alice.id)
    answer = send(alices, name="one more")
    assert answer.status_code == 429
    assert 500 < int(answer.headers["Retry-After"]) <= 601
    assert "The next can be made in" in answer.text
    assert 'value="one more"' in answer.text


def test_whoever_made_it_gets_a_letter(alices, alice):
    key = key_in(send(alices))
    letter = db.session.execute(select(Letter)).scalar_one()
    assert (letter.template, letter.to_address) == ("api_key_created", alice.email)
    assert letter.context["prefix"] == key[:12]


def test_who_makes_or_replaces_a_key_has_just_shown_who_they_are(app):
    for view in ("new", "rotate"):
        assert getattr(app.view_functions[f"api_keys.{view}"], proofs.NEEDED)
    assert not hasattr(app.view_functions["api_keys.revoke"], proofs.NEEDED)


# --- replaced -------------------------------------------------------------------------------------------------


def test_a_key_is_replaced_and_both_work_for_a_while(alices, organization):
    old = make_api_key(organization, "deploy", scopes=["read"])
    key = key_in(send(alices, address(old, "/rotate"), overlap="24"))
    new = queries.authenticate(key, datetime.now(UTC))
    assert new is not None
    db.session.refresh(old)
    assert (new.name, new.scopes, old.replaced_by) == ("deploy", ["read"], new.id)
    assert old.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - datetime.now(UTC) <= timedelta(hours=24)
    page = alices.get(address(old)).text
    assert f"{new.prefix}…" in page
    assert "Nothing has used it since" in page
    assert "Rotate" not in page


def test_a_form_of_rotation_sent_twice_rotates_once(alices, organization):
    old = make_api_key(organization)
    once = once_on(alices, address(old, "/rotate"))
    data = {"csrf_token": token_on(alices, PAGE), "once": once, "overlap": "0", "lasts": "never"}
    assert alices.post(address(old, "/rotate"), data=data).status_code == 200
    again = alices.post(address(old, "/rotate"), data=data)
    assert (again.status_code, again.headers["Location"]) == (303, f"{PAGE}/{once}")
    assert len(db.session.execute(select(ApiKey)).all()) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"overlap": "time", "until": "2020-01-01 00:00"}, "Date and time: This has passed"),
        ({"overlap": "time", "until": "9000-01-01 00:00"}, "Date and time: Write a date and a time"),
        ({"overlap": "time", "until": "2100-01-01T00:00"}, "30 days at most"),
        ({"overlap": "9"}, "Choose one of these"),
        ({"lasts": "x"}, "Choose one of these"),
    ],
    ids=["past", "far", "later", "unknown", "length"],
)
def test_an_overlap_that_can_not_be_is_refused(alices, organization, fields, said):
    old = make_api_key(organization)
    answer = send(alices, address(old, "/rotate"), **fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert only_row().replaced_by is None


def test_what_has_ended_is_not_replaced(alices, organization):
    old = make_api_key(organization, expires_at=datetime.now(UTC) - timedelta(hours=1))
    assert send(alices, address(old, "/rotate")).status_code == 409


# --- revoked --------------------------------------------------------------------------------------------------


def test_before_a_key_is_revoked_its_last_use_is_told(alices, organization):
    row = make_api_key(organization, last_used_at=datetime.now(UTC) - timedelta(hours=3))
    question = alices.get(address(row, "/revoke")).text
    assert "Revoke the key ci?" in question
    assert "3 hours ago" in question
    answer = alices.post(address(row, "/revoke"), data={"csrf_token": token_on(alices, PAGE)})
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    db.session.refresh(row)
    assert row.revoked_at is not None
    assert "Revoked" in alices.get(PAGE).text
    again = alices.post(address(row, "/revoke"), data={"csrf_token": token_on(alices, PAGE)})
    assert again.status_code == 409


# --- found ----------------------------------------------------------------------------------------------------


def test_where_there_is_none_the_page_teaches(alices):
    page = alices.get(PAGE).text
    assert "No API keys yet" in page
    assert "curl -fsS -H" in page
    assert "Make the first key" in page


def test_a_thousand_keys_are_paged_narrowed_and_counted(alices, alice, organization):
    now = datetime.now(UTC)
    ends = [{}, {"expires_at": now + timedelta(days=2)}, {"expires_at": now - timedelta(1)}, {"revoked_at": now}]
    with transaction():
        for n in range(1000):
            key = tokens.new_api_key()
            row = ApiKey(
                organization_id=organization.id, name=f"key {n:04}", prefix=key.prefix, digest=key.digest,
                scopes=["read"], created_by=alice.id, created_at=now - timedelta(minutes=n), **ends[n % 4],
            )  # fmt: skip
            db.session.add(row)
    with statements() as sent:
        page = alices.get(PAGE).text
    assert len(sent) <= 20
    assert "1–50 of 1,000 keys" in page
    assert "key 0000" in page
    assert "250 keys stop working within a week" in page
    last = alices.get(f"{PAGE}?page=99").text
    assert "951–1,000 of 1,000 keys" in last
    assert "key 0999" in last
    ending = alices.get(f"{PAGE}?state=expiring&q=key 0001").text
    assert "key 0001" in ending
    assert "1 key" in ending
    assert "No key matches" in alices.get(f"{PAGE}?state=revoked&q=key 0001").text
    assert f"{row.prefix}…" in alices.get(f"{PAGE}?q={row.prefix}").text


@pytest.mark.parametrize(
    "query", ["state=x", "page=-1", "page=999999", "q=%00", "q=%ED%A0%80", "q=%25_", "state=%00&page=x"]
)
def test_an_address_that_says_nonsense_is_a_page_all_the_same(alices, organization, query):
    make_api_key(organization)
    assert alices.get(f"{PAGE}?{query}").status_code == 200


def test_use_is_drawn_and_told_in_words(alices, organization):
    now = datetime.now(UTC)
    row = make_api_key(organization)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    save(ApiKeyUse(api_key_id=row.id, day=today, count=1200))
    save(ApiKeyUse(api_key_id=row.id, day=today - timedelta(days=29), count=4))
    save(ApiKeyUse(api_key_id=row.id, day=today - timedelta(days=30), count=7))
    said = f"1,204 calls in 30 days; most on {today.day} {today:%b}: 1,200"
    assert f'aria-label="{said}"' in alices.get(PAGE).text
    page = alices.get(address(row)).text
    assert said in page
    assert page.count("<tr><td>") == 2


def test_a_name_that_is_html_is_shown_as_it_is(alices, organization):
    evil = "<script>alert(1)</script>"
    row = make_api_key(organization, evil)
    for page in (PAGE, address(row), address(row, "/rotate"), address(row, "/revoke")):
        assert evil not in alices.get(page).text


def test_a_key_of_another_organization_does_not_exist(client_for, charlie, organization):
    row = make_api_key(organization)
    for more in ("", "/rotate", "/revoke"):
        assert client_for(charlie).get(address(row, more)).status_code == 404


def test_keys_made_by_nobody_say_so(alices, organization):
    api_keys.create(organization.id, "ci", ["read"], Actor("system", "tokiflow api-key"), datetime.now(UTC))
    assert "by no person" in alices.get(PAGE).text
