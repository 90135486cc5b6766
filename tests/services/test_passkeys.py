"""Passkeys: made, signed with, counted and removed; and every lie about them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from tests.fixtures.passkeys import BE, BS, UP, UV, Key
from tokiflow import errors
from tokiflow.core import ceremony
from tokiflow.db import db
from tokiflow.models import Letter, Passkey, RecoveryCode
from tokiflow.queries import second_factors as queries
from tokiflow.services import passkeys
from tokiflow.services.passkeys import Challenge
from tokiflow.services.security_letters import Place

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HERE = Place("Firefox on Linux", "203.0.113.7")
ASKED = b"a challenge of thirty-two bytes.."


def add(user, key: Key, name: str = "Laptop", **lies) -> list[str]:
    answer = key.make(passkeys.options_to_add(user, ASKED), **lies)
    return passkeys.add(user.id, name, answer, Challenge(ASKED, NOW), HERE, NOW)


def sign(key: Key, at: datetime = NOW, of=None, **lies):
    answer = key.sign(passkeys.options_to_verify(ASKED, of), **lies)
    return passkeys.verify(answer, Challenge(ASKED, at), at, of=of)


def count(model) -> int:
    return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def row(user) -> Passkey:
    db.session.expire_all()
    return queries.passkeys(user.id)[0]


# --- made -------------------------------------------------------------------------------------------------------


def test_alice_adds_a_passkey_and_gets_recovery_codes_and_a_mail(alice):
    codes = add(alice, key := Key(flags=UP | UV | BE | BS))
    assert len(set(codes)) == 10
    found = row(alice)
    assert (found.name, found.credential_id, found.synced, found.transports) == (
        "Laptop", key.id, True, ["internal", "usb"],
    )  # fmt: skip
    assert found.created_at == NOW
    letter = db.session.execute(select(Letter)).scalar_one()
    assert (letter.to_address, letter.subject) == (alice.email, "A passkey was added")
    assert letter.context["device"] == "Firefox on Linux"
    assert "10:00 CEST on 1 July" in letter.context["at"]
    assert add(alice, Key(), "Phone") == [], "codes that still work are not made anew"


def test_the_browser_is_asked_for_what_counts_as_two_factors(alice):
    add(alice, key := Key())
    asked = passkeys.options_to_add(alice, ASKED)
    assert asked["rp"] == {"name": "Tokiflow", "id": "localhost"}
    assert asked["attestation"] == "none"
    assert asked["authenticatorSelection"] == {
        "residentKey": "required", "requireResidentKey": True, "userVerification": "required",
    }  # fmt: skip
    assert [one["alg"] for one in asked["pubKeyCredParams"]] == [-8, -7, -257]
    assert len(asked["excludeCredentials"]) == 1
    assert passkeys.options_to_verify(ASKED)["allowCredentials"] == [], "it tells nobody which passkeys there are"
    allowed = passkeys.options_to_verify(ASKED, alice.id)["allowCredentials"]
    assert [one["transports"] for one in allowed] == [["internal", "usb"]]
    assert sign(key, of=alice.id) == alice


@pytest.mark.parametrize(
    ("key", "lies"),
    [
        ({"origin": "https://evil.example"}, {}),
        ({"origin": "http://localhost:8000"}, {}),
        ({"rp_id": "evil.example"}, {}),
        ({"flags": UP}, {}),
        ({"flags": UV}, {}),
        ({}, {"challenge": "YW5vdGhlcg"}),
        ({}, {"type": "webauthn.get"}),
    ],
    ids=["origin", "port", "site", "not-verified", "not-present", "challenge", "a-signature"],
)
def test_what_was_made_elsewhere_or_carelessly_is_not_kept(alice, key, lies):
    with pytest.raises(errors.Invalid) as refused:
        add(alice, Key(**key), **lies)
    assert set(refused.value.fields) == {"credential"}
    assert (count(Passkey), count(RecoveryCode), count(Letter)) == (0, 0, 0)


def credential(**response) -> str:
    return json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})


HOSTILE = [
    *("", "{", "[]", "null", '"x"', "{}", '{"id": 1}', '{"response": {}}', "[" * 19_000, "9" * 30_000),
    credential(clientDataJSON="e30", attestationObject="oA", authenticatorData="AA", signature="AA", userHandle="AA"),
    credential(clientDataJSON="é", attestationObject="\x00", authenticatorData="%", signature={}, userHandle=[]),
    json.dumps({"id": "AA", "rawId": ["AA"], "type": [], "response": {"clientDataJSON": None}}),
]


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_answers_are_refused_in_words(alice, answer):
    with pytest.raises(errors.Invalid):
        passkeys.add(alice.id, "Laptop", answer, Challenge(ASKED, NOW), HERE, NOW)
    with pytest.raises(passkeys.Refused):
        passkeys.verify(answer, Challenge(ASKED, NOW), NOW)


def test_a_passkey_belongs_to_one_person(alice, bob):
    add(alice, key := Key())
    for who in (alice, bob):
        with pytest.raises(errors.Invalid, match="here already"):
            add(who, key)


def test_there_is_room_for_twenty(alice):
    for n in range(passkeys.MOST):
        add(alice, Key(), f"Key {n}")
    with pytest.raises(errors.Invalid, match="20 passkeys already"):
        add(alice, Key())


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "\x00"])
def test_a_name_is_needed(alice, name):
    with pytest.raises(errors.Invalid) as refused:
        add(alice, Key(), name)
    assert set(refused.value.fields) == {"name"}
    add(alice, Key())
    with pytest.raises(errors.Invalid):
        passkeys.rename(row(alice).id, alice.id, name)


# --- signed with ------------------------------------------------------------------------------------------------


def test_it_signs_its_person_in(alice, bob):
    add(alice, hers := Key())
    add(bob, his := Key())
    answer = hers.sign(passkeys.options_to_verify(ASKED))
    assert passkeys.sign_in(answer, Challenge(ASKED, NOW), NOW) == alice
    assert row(alice).last_used_at == alice.last_signed_in_at == NOW
    assert sign(his) == bob
    assert row(bob).last_used_at == NOW


@pytest.mark.parametrize(
    ("changes", "lies"),
    [
        ({"origin": "https://evil.example"}, {}),
        ({"rp_id": "evil.example"}, {}),
        ({"flags": UP}, {}),
        ({"flags": UV}, {}),
        ({"handle": b"somebody else"}, {}),
        ({"handle": b""}, {}),
        ({"id": b"never heard of"}, {}),
        ({}, {"challenge": "YW5vdGhlcg"}),
        ({}, {"type": "webauthn.create"}),
    ],
    ids=["origin", "site", "not-verified", "not-present", "another-person", "nobody", "unknown", "challenge", "type"],
)
def test_what_proves_nothing_signs_nobody_in(alice, changes, lies):
    add(alice, key := Key())
    for name, value in changes.items():
        setattr(key, name, value)
    with pytest.raises(passkeys.Refused):
        sign(key, **lies)
    assert row(alice).last_used_at is None


def test_another_key_under_the_same_name_signs_nobody_in(alice):
    add(alice, key := Key())
    forged = Key(id=key.id, handle=key.handle)
    with pytest.raises(passkeys.Refused, match="could not be checked"):
        sign(forged)


def test_in_a_second_step_only_ones_own_counts(alice, bob):
    add(alice, hers := Key())
    add(bob, his := Key())
    with pytest.raises(passkeys.Refused):
        sign(his, of=alice.id)
    hers.handle = b""  # a security key that was asked by name need not say whose it is
    assert sign(hers, of=alice.id) == alice


def test_an_answer_counts_once_wherever_its_cookie_was_copied_to(alice):
    add(alice, key := Key())
    answer, asked = key.sign(passkeys.options_to_verify(ASKED)), Challenge(ASKED, NOW)
    assert passkeys.verify(answer, asked, NOW + MINUTE) == alice
    for at in (NOW + MINUTE, NOW + 2 * MINUTE):
        with pytest.raises(passkeys.Refused, match="answered already"):
            passkeys.verify(answer, asked, at)
    assert passkeys.verify(answer, Challenge(ASKED, NOW + 2 * MINUTE), NOW + 2 * MINUTE) == alice


@pytest.mark.parametrize(
    ("flags", "before", "then", "taken"),
    [
        (UP | UV, 5, 6, True),
        (UP | UV, 5, 5, False),
        (UP | UV, 5, 4, False),
        (UP | UV, 5, 0, False),
        (UP | UV, 0, 0, True),
        (UP | UV | BE | BS, 5, 4, True),
    ],
)
def test_a_counter_that_goes_back_is_a_copy_unless_it_is_synced(alice, flags, before, then, taken):
    add(alice, key := Key(flags=flags, count=before))
    key.count = then
    with capture_logs() as logs:
        if taken:
            assert sign(key) == alice
        else:
            with pytest.raises(passkeys.Refused, match="may have been copied"):
                sign(key)
    told = [one for one in logs if one["event"] == "passkey_counter_went_back"]
    assert len(told) == (then < before or then == before > 0)
    assert row(alice).sign_count == (then if taken else before)


def test_it_is_noted_when_a_passkey_is_synced_later(alice):
    add(alice, key := Key(flags=UP | UV | BE))
    assert not row(alice).synced
    key.flags |= BS
    sign(key)
    assert row(alice).synced


# --- named and removed ------------------------------------------------------------------------------------------


def test_it_is_renamed_and_removed_by_its_person_alone(alice, bob):
    add(alice, key := Key())
    theirs = row(alice).id
    for change in (lambda: passkeys.rename(theirs, bob.id, "Mine"), lambda: passkeys.remove(theirs, bob.id, HERE, NOW)):
        with pytest.raises(errors.NotFound):
            change()
    passkeys.rename(theirs, alice.id, " Work \n laptop ")
    assert row(alice).name == "Work laptop"
    passkeys.remove(theirs, alice.id, HERE, NOW)
    assert (count(Passkey), count(RecoveryCode)) == (0, 0), "codes that stand in for nothing go with the last one"
    with pytest.raises(passkeys.Refused, match="doesn’t know this passkey"):
        sign(key)
    subjects = db.session.execute(select(Letter.subject).order_by(Letter.id)).scalars()
    assert list(subjects) == ["A passkey was added", "A passkey was removed"]


# --- where ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public_url", "found"),
    [
        ("https://tokiflow.example.com", ("tokiflow.example.com", "https://tokiflow.example.com")),
        ("https://Tokiflow.example.com:8443/x", ("tokiflow.example.com", "https://tokiflow.example.com:8443")),
        ("http://localhost:8000", ("localhost", "http://localhost:8000")),
        ("http://127.0.0.1:8000", ("localhost", "http://localhost:8000")),
        ("http://[::1]:8000", ("localhost", "http://localhost:8000")),
        ("http://192.0.2.7", None),
    ],
)
def test_passkeys_belong_to_the_name_of_the_public_address(public_url, found):
    site = ceremony.site(public_url)
    assert (site and (site.id, site.origin)) == found
