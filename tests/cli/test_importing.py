"""`tokiflow import` as somebody calls it who moves."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from tests.factories import make_channel, make_monitor
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db, transaction
from tokiflow.services import audit
from tokiflow.services.exporting import Asked
from tokiflow.services.exporting import organization as exporting

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)


@pytest.fixture
def bring(typed):
    """`tokiflow import …` on the database of the test."""
    return partial(typed, "import")


@pytest.fixture
def process(called):
    """The same, as a process of its own."""
    return partial(called, "import")


@pytest.fixture
def file(organization, alice, database, tmp_path):
    """Harbour Freight as a file; nothing of it is here any more."""
    make_monitor(organization)
    make_channel(organization, "slack", name="#ops")
    path = tmp_path / "harbour.zip"
    with transaction():
        audit.record("monitor.created", TOKIFLOW, organization.id, NOW)
    asked = Asked(ids.new(), "organization", organization.id, alice.id, {}, NOW)
    exporting.make(asked, path, lambda done, total: None)
    db.session.remove()
    database.empty()
    return path


def test_it_says_what_came_and_what_is_to_do(bring, process, file):
    done = process(file)
    assert done.returncode == 0, done.stderr
    assert "Harbour Freight is here: 1 monitors, 0 runs, 0 pings, 0 outputs, 0 incidents, 1 audit events" in done.stdout
    assert "@example.com" in done.stdout
    assert "Disabled until its secrets are written again: #ops" in done.stdout
    again = bring(file)
    assert (again.returncode, again.stdout) == (1, "")
    assert "here already" in again.stderr


def test_a_bad_file_is_one_sentence(bring, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"no")
    for path, said in ((tmp_path / "bad.zip", "is no zip"), (tmp_path / "none.zip", "There is no file")):
        done = bring(path)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
