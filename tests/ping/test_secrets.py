"""Whatever secret a ping brings along, and wherever: it is in no table, in no file and in no log.

The secrets are put together from halves, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import logging
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import make_channel, make_monitor
from tests.fixtures.database import Database
from tokiflow.adapters.spool import SpoolFolder
from tokiflow.core import tokens
from tokiflow.db import db, transaction
from tokiflow.models import Organization
from tokiflow.ping import body as bodies
from tokiflow.ping.answers import Answer, Answers
from tokiflow.ping.backlog import Backlog
from tokiflow.ping.letterbox import Letterbox, Request
from tokiflow.ping.limits import Limits
from tokiflow.ping.writer import Writer

ALNUM = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LIMIT = 32_768
OWN = r"CUST-[0-9]{8}"


def letters(length: int) -> st.SearchStrategy[str]:
    return st.text(ALNUM, min_size=length, max_size=length)


SECRETS = st.one_of(
    letters(36).map(lambda made: (f"ghp_{made}", made)),
    letters(24).map(lambda made: (f"sk_live_{made}", made)),
    letters(20).map(lambda made: (f"password={made}", made)),
    letters(20).map(lambda made: (f'"api_key": "{made}"', made)),
    letters(20).map(lambda made: (f"postgres://app:{made}@db.example/prod", made)),
    letters(30).map(lambda made: (f"Authorization: Bearer {made}", made)),
    letters(40).map(lambda made: (f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{made}", made)),
    st.integers(0, 99_999_999).map(lambda made: (f"for CUST-{made:08}", f"CUST-{made:08}")),
    st.builds(tokens.new_api_key).map(lambda key: (key.text, key.text[13:])),
)
"""A piece of output, and what of it nobody may see again."""

NOISE = st.sampled_from(["", "all is well\n", "x" * 20_000 + "\n", "\x1b[31mred\x1b[0m\n", "\xff\n"])


@pytest.fixture
def watched(organization: Organization) -> Organization:
    """An organization with a pattern of its own."""
    with transaction():
        organization.redaction_patterns = [OWN]
    return organization


def everything_stored(database: Database) -> str:
    """All tables as text; bytes as they are, and as the database shows them."""
    found: list[str] = []
    with database.connect() as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            found += [str(row[0]) for row in connection.execute(f'SELECT t::text FROM "{table}" t')]
        found += [
            bytes(row[0]).decode("latin-1")
            for row in connection.execute("SELECT body FROM pings WHERE body IS NOT NULL")
        ]
    return "\n".join(found)


def send(letterbox: Letterbox, token: str, text: str, signal: str, around: tuple[str, str] = ("", "")) -> Answer:
    """The same text in every place that a job can fill, and in its output with something before and after."""
    said = quote(text)
    query = f"msg={said}&env={said}&step=1&step_name={said}&metric={said}:1"
    body = bodies.collect(text.join(around).encode(), LIMIT)
    future: Future[Answer] = Future()
    letterbox.take(Request("POST", f"/ping/{token}/{signal}", query, {"user-agent": text}, "203.0.113.7", body), future)
    return future.result(20)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(planted=SECRETS, before=NOISE, after=NOISE, signal=st.sampled_from(["start", "success", "fail", "log", "7"]))
def test_no_secret_is_stored_or_logged(
    app: Flask, watched: Organization, database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str], planted: tuple[str, str], before: str, after: str, signal: str,
) -> None:  # fmt: skip
    text, secret = planted
    make_channel(watched)
    monitor = make_monitor(watched)
    writer = Writer(
        app.app_context, Answers(LIMIT), Limits(None), Backlog(SpoolFolder(tmp_path, "a key for the spool"))
    )
    letterbox = Letterbox(writer, LIMIT, lambda: datetime.now(UTC))
    with caplog.at_level(logging.DEBUG):
        answer = send(letterbox, monitor.token, text, signal, (before, f"\n{after}"))
    db.session.rollback()
    stored = everything_stored(database)
    assert answer.status == 200
    assert monitor.token in stored, "we look in the right place"
    logged = caplog.text + "".join(capfd.readouterr())
    for form in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode().rstrip("=")):
        assert form not in stored
        assert form not in logged


def test_no_secret_lies_in_the_spool(organization: Organization, tmp_path: Path) -> None:
    """Not even one that only the organization's own pattern knows, which nobody can look up now."""
    flask = Flask("away")
    flask.config["SQLALCHEMY_DATABASE_URI"] = "postgresql://nobody@127.0.0.1:1/none"
    db.init_app(flask)
    writer = Writer(
        flask.app_context, Answers(LIMIT), Limits(None), Backlog(SpoolFolder(tmp_path, "a key for the spool"))
    )
    letterbox = Letterbox(writer, LIMIT, lambda: datetime.now(UTC))
    assert send(letterbox, tokens.new_ping_token(), "password=hunter2hunter2 CUST-00112233", "fail").status == 200
    (file,) = tmp_path.glob("*.spool")
    raw = file.read_bytes()
    assert raw
    assert b"hunter2" not in raw
    assert b"CUST-00112233" not in raw
    assert b"CUST-00112233" not in b"".join(base64.urlsafe_b64decode(line) for line in raw.splitlines())
