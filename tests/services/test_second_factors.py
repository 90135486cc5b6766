"""Codes: of the app and on paper. Taken once, slowed down, told of by mail."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import func, select

from tests.fixtures.passkeys import Key
from tests.services.test_passkeys import add as add_passkey
from tokiflow import errors
from tokiflow.channels import letters
from tokiflow.core import recovery_codes as rules
from tokiflow.db import db, transaction
from tokiflow.models import Authenticator, Letter, RecoveryCode, User
from tokiflow.queries import second_factors as queries
from tokiflow.queries.second_factors import Factors
from tokiflow.services import authenticators, people, recovery_codes, second_factors, security_letters
from tokiflow.services.security_letters import NOWHERE, Place

NOW = datetime(2026, 7, 1, 8, 0, 10, tzinfo=UTC)
SECOND, STEP = timedelta(seconds=1), timedelta(seconds=30)


def phone(user) -> pyotp.TOTP:
    """The app of the person, with the secret that it was given."""
    return pyotp.TOTP(authenticators.secret(db.session.get_one(Authenticator, user.id)))


def set_up(user, at=NOW) -> tuple[pyotp.TOTP, list[str]]:
    """An app of the person, confirmed a minute ago; and their recovery codes."""
    authenticators.begin(user.id, at)
    app = phone(user)
    return app, authenticators.confirm(user.id, app.at(at - 2 * STEP), NOWHERE, at - 2 * STEP)


def wrong(app: pyotp.TOTP, at: datetime) -> str:
    near = {app.at(at + n * STEP) for n in (-1, 0, 1)}
    return next(code for n in range(9) if (code := f"{n:06}") not in near)


def fail(user, app, at, times=1) -> None:
    for _ in range(times):
        with pytest.raises(errors.Invalid):
            second_factors.verify_code(user, wrong(app, at), at)


def subjects() -> list[str]:
    return list(db.session.execute(select(Letter.subject).order_by(Letter.id)).scalars())


def at_once(app, work) -> list[object]:
    """What two threads that begin together get from `work()`."""
    barrier, found = threading.Barrier(2), []

    def run():
        with app.app_context():
            barrier.wait(10)
            try:
                found.append(work())
            except Exception as error:
                found.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


# --- the app ----------------------------------------------------------------------------------------------------


def test_alice_sets_up_an_app_and_it_guards_from_its_first_code_on(alice):
    authenticators.begin(alice.id, NOW)
    assert not queries.of_user(alice.id)
    secret = authenticators.secret(db.session.get_one(Authenticator, alice.id))
    assert secret not in str(db.session.execute(select(Authenticator.__table__)).all())
    app = pyotp.TOTP(secret)
    with pytest.raises(errors.Invalid, match="not right"):
        authenticators.confirm(alice.id, wrong(app, NOW), NOWHERE, NOW)
    assert not queries.of_user(alice.id)
    codes = authenticators.confirm(alice.id, app.at(NOW), NOWHERE, NOW)
    assert len(codes) == rules.COUNT
    assert queries.of_user(alice.id) == Factors(passkeys=0, app=True, codes=10)
    assert subjects() == ["An authenticator app was added"]


def test_until_it_is_confirmed_another_secret_can_be_made_and_then_not(alice):
    for _ in range(2):
        authenticators.begin(alice.id, NOW)
    app = phone(alice)
    authenticators.confirm(alice.id, app.at(NOW), NOWHERE, NOW)
    with pytest.raises(errors.Conflict):
        authenticators.begin(alice.id, NOW)
    with pytest.raises(errors.Conflict):
        authenticators.confirm(alice.id, app.at(NOW + STEP), NOWHERE, NOW + STEP)


def test_a_code_counts_once_and_the_ones_before_it_not_at_all(alice):
    app, _ = set_up(alice)
    assert second_factors.verify_code(alice, app.at(NOW), NOW) == "app"
    for code in (app.at(NOW), app.at(NOW - STEP)):
        with pytest.raises(errors.Invalid, match="used already"):
            second_factors.verify_code(alice, code, NOW + SECOND)
    assert second_factors.verify_code(alice, app.at(NOW + STEP), NOW + SECOND) == "app", "a phone that is early"


def test_the_code_that_confirmed_it_does_not_sign_in(alice):
    authenticators.begin(alice.id, NOW)
    app = phone(alice)
    authenticators.confirm(alice.id, app.at(NOW), NOWHERE, NOW)
    with pytest.raises(errors.Invalid, match="used already"):
        second_factors.verify_code(alice, app.at(NOW), NOW)


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_the_clock_of_a_phone_may_be_half_a_minute_off(alice, steps, taken):
    app, _ = set_up(alice, NOW - timedelta(minutes=10))
    code = app.at(NOW + steps * STEP)
    if taken:
        assert second_factors.verify_code(alice, code, NOW) == "app"
    else:
        with pytest.raises(errors.Invalid):
            second_factors.verify_code(alice, code, NOW)


def test_wrong_codes_slow_the_app_down_and_lock_nobody_out(alice):
    app, codes = set_up(alice)
    fail(alice, app, NOW, times=5)
    for code in (wrong(app, NOW), app.at(NOW)):
        with pytest.raises(errors.RateLimited, match="recovery code now") as limited:
            second_factors.verify_code(alice, code, NOW + 10 * SECOND)
        assert limited.value.retry_after == 20
    assert second_factors.verify_code(alice, codes[0], NOW + 10 * SECOND) == "recovery"
    later = NOW + 31 * SECOND
    fail(alice, app, later)
    with pytest.raises(errors.RateLimited, match="60 seconds"):
        second_factors.verify_code(alice, app.at(later), later)
    later += timedelta(seconds=61)
    assert second_factors.verify_code(alice, app.at(later), later) == "app"
    fail(alice, app, later, times=4)
    assert second_factors.verify_code(alice, app.at(later + STEP), later + STEP) == "app", "it began anew"


def test_the_owner_hears_of_five_wrong_codes_once(alice):
    app, _ = set_up(alice)
    fail(alice, app, NOW, times=5)
    fail(alice, app, NOW + timedelta(minutes=5))
    assert subjects() == ["An authenticator app was added", "Somebody typed wrong codes for your account"]


def test_one_person_does_not_slow_down_another(alice, bob):
    hers, _ = set_up(alice)
    his, _ = set_up(bob)
    fail(alice, hers, NOW, times=5)
    assert second_factors.verify_code(bob, his.at(NOW), NOW) == "app"
    with pytest.raises(errors.Invalid):
        second_factors.verify_code(bob, hers.at(NOW + STEP), NOW + STEP)


def test_without_an_app_no_six_digits_are_right(alice):
    with pytest.raises(errors.Invalid, match="no authenticator app"):
        second_factors.verify_code(alice, "123456", NOW)
    authenticators.begin(alice.id, NOW)
    app = phone(alice)
    with pytest.raises(errors.Invalid, match="no authenticator app"):
        second_factors.verify_code(alice, app.at(NOW), NOW)


def test_two_who_come_with_one_code_at_once_are_one(app, alice):
    made, _ = set_up(alice)
    user_id, code = alice.id, made.at(NOW)

    def come():
        return second_factors.verify_code(db.session.get_one(User, user_id), code, NOW)

    found = at_once(app, come)
    assert sorted(isinstance(one, errors.Invalid) for one in found) == [False, True], found


def test_removing_the_app_takes_the_codes_along(alice):
    app, codes = set_up(alice)
    authenticators.remove(alice.id, NOWHERE, NOW)
    assert queries.of_user(alice.id) == Factors()
    for code in (app.at(NOW), codes[0]):
        with pytest.raises(errors.Invalid):
            second_factors.verify_code(alice, code, NOW)
    with pytest.raises(errors.NotFound):
        authenticators.remove(alice.id, NOWHERE, NOW)
    assert subjects()[-1] == "Your authenticator app was removed"


def test_beside_a_passkey_the_codes_stay(alice):
    set_up(alice)
    add_passkey(alice, Key())
    authenticators.remove(alice.id, NOWHERE, NOW)
    assert queries.of_user(alice.id) == Factors(passkeys=1, app=False, codes=10)


def test_a_secret_of_another_installation_is_said_to_be_one(alice):
    app, _ = set_up(alice)
    with transaction():
        db.session.get_one(Authenticator, alice.id).sealed_secret = "sealed elsewhere"
    with pytest.raises(errors.Conflict, match="key of this installation"):
        second_factors.verify_code(alice, app.at(NOW), NOW)


# --- recovery codes ---------------------------------------------------------------------------------------------


def test_each_recovery_code_works_once_and_only_for_its_person(alice, bob):
    _, codes = set_up(alice)
    set_up(bob)
    with pytest.raises(errors.Invalid):
        second_factors.verify_code(bob, codes[0], NOW)
    assert second_factors.verify_code(alice, codes[0].upper().replace("-", " "), NOW) == "recovery"
    with pytest.raises(errors.Invalid, match="still works"):
        second_factors.verify_code(alice, codes[0], NOW)
    assert queries.of_user(alice.id).codes == 9
    assert [one.used_at for one in queries.recovery_codes(alice.id)] == [NOW] + 9 * [None]


def test_one_recovery_code_used_twice_at_once_lets_one_in(app, alice):
    _, codes = set_up(alice)
    user_id = alice.id

    def come():
        return second_factors.verify_code(db.session.get_one(User, user_id), codes[0], NOW)

    found = at_once(app, come)
    assert sorted(isinstance(one, errors.Invalid) for one in found) == [False, True], found
    assert queries.of_user(alice.id).codes == 9


def test_the_mail_counts_what_is_left(alice):
    _, codes = set_up(alice)
    for code in codes:
        second_factors.verify_code(alice, code, NOW)
    told = db.session.execute(select(Letter.context).where(Letter.subject == "A recovery code was used")).scalars()
    said = sorted((one["more"] for one in told), key=len)
    assert any("9 are left." in one and "soon" not in one for one in said)
    assert any("3 are left. Make new ones soon." in one for one in said)
    assert any("1 is left." in one for one in said)
    assert any("the last one" in one for one in said)


def test_new_codes_put_an_end_to_the_old(alice):
    _, old = set_up(alice)
    new = recovery_codes.renew(alice.id, NOWHERE, NOW)
    assert not set(new) & set(old)
    with pytest.raises(errors.Invalid):
        second_factors.verify_code(alice, old[0], NOW)
    assert second_factors.verify_code(alice, new[0], NOW) == "recovery"
    assert db.session.execute(select(func.count()).select_from(RecoveryCode)).scalar_one() == 10


def test_the_database_holds_no_code(alice):
    _, codes = set_up(alice)
    kept = str(db.session.execute(select(RecoveryCode.__table__)).all()) + str(
        db.session.execute(select(Letter.context).order_by(Letter.id)).all()
    )
    assert not [one for one in codes if one in kept or one.replace("-", "") in kept]


def test_codes_that_would_stand_in_for_nothing_are_not_made(alice):
    with pytest.raises(errors.Conflict, match="first"):
        recovery_codes.renew(alice.id, NOWHERE, NOW)


@pytest.mark.parametrize("typed", ["", " ", "\x00", "é" * 24, "x" * 5_000, "0" * 24, "12345", "1234567"])
def test_anything_else_is_refused_in_words(alice, typed):
    set_up(alice)
    with pytest.raises(errors.Invalid, match="recovery code of yours"):
        second_factors.verify_code(alice, typed, NOW)


def test_who_has_a_second_factor_is_one_question(alice, bob, charlie):
    set_up(alice)
    add_passkey(bob, Key())
    assert queries.of_users([alice.id, bob.id, charlie.id]) == {
        alice.id: Factors(0, True, 10), bob.id: Factors(1, False, 10), charlie.id: Factors(),
    }  # fmt: skip
    assert [bool(one) for one in queries.of_users([alice.id, charlie.id]).values()].count(True) == 1
    assert queries.of_users([]) == {}


def test_the_mail_says_what_where_and_what_to_do(alice):
    place = Place("Firefox <b>on</b> Linux", "203.0.113.7")
    with transaction():
        security_letters.tell(alice, "A passkey was added", "It is called “<i>Laptop”.", place, NOW)
    letter = db.session.execute(select(Letter)).scalar_one()
    mail = letters.compose(
        letter.template, sender="tokiflow@example.com", to=[letter.to_address], subject=letter.subject,
        context={"public_url": "https://tokiflow.example.com", **letter.context}, sent_at=NOW, headers={},
    )  # fmt: skip
    text, html = (part.get_content() for kind in ("plain", "html") if (part := mail.get_body((kind,))))
    for said in ("A passkey was added", "203.0.113.7", "10:00 CEST on 1 July", alice.email):
        assert said in text
        assert said in html
    assert "https://tokiflow.example.com/app/settings/security" in text
    assert "<i>" not in html
    assert "<b>on" not in html


def test_to_the_person_at_this_machine_no_mail_is_sent(app):
    you = people.local(NOW)
    set_up(you)
    assert subjects() == []
