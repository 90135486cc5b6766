"""SECRET_KEY can be exchanged: what was sealed, signed or begun under the former one goes on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from flask import Response
from sqlalchemy import text, update

from tests.factories import make_channel, make_slack_installation, save
from tests.fixtures.instance import ROOT
from tests.fixtures.servers import SECRET_KEY as OLD
from tokiflow import errors, settings
from tokiflow.app import create_app
from tokiflow.core import ids, sealing
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db, transaction
from tokiflow.models import Authenticator, Channel
from tokiflow.queries import audit_chains
from tokiflow.services import audit, mail_links, secret_keys, slack_installations
from tokiflow.web import known

NEW = "the-next-key-of-the-tests-9876543210-ZYXWVUTSRQ"
NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
HOOK = {"url": "https://hooks.example.com/T0/B0/whsec-very-secret", "headers": {"Authorization": "Bearer hidden-token"}}


@pytest.fixture
def with_keys(app, monkeypatch):
    """`with_keys(NEW, OLD)`: the keys of the installation from now on, the newest first."""

    def become(*keys: str) -> None:
        now = app.extensions["tokiflow.settings"].model_copy(
            update={"secret_key": keys[0], "former_secret_keys": keys[1:]}
        )
        now.__dict__.pop("secret_keys", None)
        monkeypatch.setitem(app.extensions, "tokiflow.settings", now)
        db.session.expire_all()

    return become


def lies_as(channel_id) -> str:
    statement = text("select config::text from channels where id = :id")
    return str(db.session.execute(statement, {"id": channel_id}).scalar_one())


# --- channels at rest -------------------------------------------------------------------------------------------


def test_a_copy_of_the_database_tells_no_address_and_no_token_of_a_channel(organization):
    channel = make_channel(organization, config=HOOK)
    found = lies_as(channel.id)
    assert "secret" not in found
    assert "hooks.example.com" not in found
    assert "hidden-token" not in found
    db.session.expire_all()
    assert channel.config["url"] == HOOK["url"]
    assert channel.config["headers"] == HOOK["headers"]


def test_what_statements_must_read_stays_readable(organization):
    assert '"to": ["ops@example.com"]' in lies_as(make_channel(organization, "email").id)


def test_a_channel_from_before_is_read_as_it_stands_and_sealed_by_the_way(organization):
    channel = make_channel(organization)
    statement = text("""update channels set config = '{"url": "https://old.example/hook"}' where id = :id""")
    with transaction():
        db.session.execute(statement, {"id": channel.id})
    db.session.expire_all()
    assert channel.config == {"url": "https://old.example/hook"}
    secret_keys.reseal()
    assert "old.example" not in lies_as(channel.id)
    db.session.expire_all()
    assert channel.config == {"url": "https://old.example/hook"}


def test_without_its_key_a_channel_says_what_to_do(organization, with_keys):
    channel = make_channel(organization, config=HOOK)
    db.session.rollback()
    with_keys(NEW)
    with pytest.raises(errors.Unavailable, match="TOKIFLOW_FORMER_SECRET_KEYS"):
        _ = channel.config["url"]
    assert channel.config.get("url") is None
    db.session.rollback()
    with_keys(NEW, OLD)
    assert channel.config["url"] == HOOK["url"]


# --- the exchange -----------------------------------------------------------------------------------------------


def test_everything_that_lies_sealed_is_sealed_anew(organization, alice, with_keys):
    channel = make_channel(organization, config=HOOK)
    slack = make_slack_installation(organization, sealed_token=sealing.seal("xoxb-1", OLD))
    app = save(Authenticator(user_id=alice.id, sealed_secret=sealing.seal("TOTP", OLD)))
    with transaction():
        audit.record("monitor.edited", TOKIFLOW, organization.id, NOW)
    with_keys(NEW, OLD)
    assert {one.what: (one.anew, one.lost) for one in secret_keys.reseal()} == {
        "tokens of Slack": (1, 0), "authenticators": (1, 0), "keys of audit logs": (1, 0), "channels": (1, 0),
    }  # fmt: skip
    with_keys(NEW)
    assert channel.config["url"] == HOOK["url"]
    assert slack_installations.token(slack) == "xoxb-1"
    assert sealing.unseal(app.sealed_secret, NEW) == "TOTP"
    chain = audit_chains.get(organization.id)
    assert chain is not None
    assert list(audit_chains.breaks(organization.id, audit.key_of(chain))) == []
    assert {one.anew for one in secret_keys.reseal()} == {0}, "a second run finds nothing to do"


def test_what_no_key_opens_is_left_and_counted(organization, with_keys):
    slack = make_slack_installation(organization, sealed_token=sealing.seal("xoxb-1", OLD))
    channel = make_channel(organization, config=HOOK)
    before = lies_as(channel.id)
    with_keys(NEW)
    assert sum(one.lost for one in secret_keys.reseal()) == 2
    assert lies_as(channel.id) == before
    assert sealing.unseal(slack.sealed_token, OLD) == "xoxb-1"


def test_an_exchange_is_no_edit(organization, with_keys):
    channel = make_channel(organization, config=HOOK)
    version, at = channel.version, channel.updated_at
    with_keys(NEW, OLD)
    secret_keys.reseal()
    db.session.expire_all()
    assert (channel.version, channel.updated_at) == (version, at)


def test_links_in_mails_from_before_still_work(organization, with_keys):
    row = ids.new()
    confirm, unsubscribe = mail_links.confirm(row, NOW), mail_links.unsubscribe(row)
    with_keys(NEW, OLD)
    assert mail_links.question(confirm.rpartition("/")[2]).recipient_id == row
    assert mail_links.unsubscribing(unsubscribe.rpartition("/")[2]) == row
    with_keys(OLD)
    assert mail_links.unsubscribing(unsubscribe.rpartition("/")[2]) == row
    with_keys(NEW)
    with pytest.raises(mail_links.NotOurs):
        mail_links.question(confirm.rpartition("/")[2])


def test_a_browser_in_which_she_signed_in_stays_known(app, with_keys):
    def cookies(answer) -> dict[str, str]:
        return {"Cookie": "; ".join(one.partition(";")[0] for one in answer.headers.getlist("Set-Cookie"))}

    with app.test_request_context():
        noted = cookies(known.note(Response(), "alice@harbour.example"))
    with_keys(NEW, OLD)
    with app.test_request_context(headers=noted):
        assert known.whose("Alice@harbour.example")
        assert not known.whose("bob@harbour.example")
        noted_again = cookies(known.note(Response(), "bob@harbour.example"))
    with_keys(NEW)
    for headers, whose in ((noted, (False, False)), (noted_again, (False, True))):
        with app.test_request_context(headers=headers):
            assert (known.whose("alice@harbour.example"), known.whose("bob@harbour.example")) == whose


def test_nobody_is_signed_out_and_forms_that_are_open_can_be_sent(app, alice, client_for, database, tmp_path):
    from tests.web.posting import token_on
    from tokiflow import extensions

    before = client_for(alice)
    token, cookie = token_on(before, "/app"), before.get_cookie("tokiflow")
    limits = vars(extensions.limiter).copy()
    exchanged = create_app(
        settings.load(
            {**database.environment, "TOKIFLOW_DATA": str(tmp_path), "SECRET_KEY": NEW,
             "TOKIFLOW_FORMER_SECRET_KEYS": OLD}
        )
    )  # fmt: skip
    exchanged.test_client_class = app.test_client_class
    after = exchanged.test_client()
    after.set_cookie("tokiflow", cookie.value)
    try:
        assert after.get("/app").status_code == 200
        sent = after.post("/app/switch-organization", data={"csrf_token": token, "organization": "nowhere"})
        assert sent.status_code != 400
        assert after.post("/app/switch-organization", data={"csrf_token": "x"}).status_code == 400
    finally:
        vars(extensions.limiter).update(limits)
        with exchanged.app_context():
            db.engine.dispose()


def test_the_claiming_of_alerts_reads_what_lies_sealed(organization):
    """Beside the ORM, one statement in SQL reads configs."""
    from tests.factories import make_monitor
    from tests.house.things import fail
    from tokiflow.services import claims

    channel = make_channel(organization, config=HOOK)
    now = datetime.now(UTC)
    fail(make_monitor(organization, channels=[channel]), now)
    with transaction():
        rows = claims._locked(
            list(db.session.execute(text("select id from deliveries")).scalars()), 10, now + timedelta(hours=1)
        )
        assert [row.config["url"] for row in rows] == [HOOK["url"]]


# --- as operators call it ---------------------------------------------------------------------------------------


def rotate(database, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tokiflow.cli", "secrets", "rotate"],
        env={"PATH": "/usr/bin:/bin", **database.environment, **variables},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_command_says_what_it_did(database, organization):
    channel = make_channel(organization, config=HOOK)
    refused = rotate(database, SECRET_KEY=NEW)
    assert (refused.returncode, "1 that no key opens" in refused.stdout) == (1, True)
    assert "TOKIFLOW_FORMER_SECRET_KEYS" in refused.stderr
    done = rotate(database, SECRET_KEY=NEW, TOKIFLOW_FORMER_SECRET_KEYS=OLD)
    assert done.returncode == 0, done.stderr
    assert "channels: 1 sealed anew, 0 were already\n" in done.stdout
    with transaction():  # back to the key of the tests
        db.session.execute(update(Channel).where(Channel.id == channel.id).values(config=HOOK))
