"""`tokiflow ping-key` as scripts call it: the key alone on stdout, everything else on stderr."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import select

from tests.fixtures.instance import ROOT
from tokiflow.core import tokens
from tokiflow.db import db
from tokiflow.models import AuditEvent


@pytest.fixture
def ping_key(app, database):
    """Runs `tokiflow ping-key …` against the database of the test."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tokiflow.cli", "ping-key", *arguments],
            env={"PATH": "/usr/bin:/bin", **database.environment, **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_key_is_made_shown_and_replaced(ping_key, organization):
    none = ping_key("show")
    assert (none.returncode, none.stdout) == (1, "")
    assert "tokiflow ping-key rotate" in none.stderr
    first = ping_key("rotate")
    assert tokens.looks_like_ping_key(first.stdout.removesuffix("\n"))
    assert "404" not in first.stderr, "there was none that could stop working"
    assert ping_key("show", "--org", organization.slug).stdout == first.stdout
    second = ping_key("rotate")
    assert "answered with 404" in second.stderr
    db.session.refresh(organization)
    assert second.stdout == f"{organization.ping_key}\n" != first.stdout
    done = db.session.execute(select(AuditEvent.what, AuditEvent.by).order_by(AuditEvent.id)).all()
    operator = "an operator at the command line"
    assert done == [("organization.ping_key_created", operator), ("organization.ping_key_rotated", operator)]


def test_on_the_first_day_there_is_a_key_already(ping_key):
    assert tokens.looks_like_ping_key(ping_key("show", TOKIFLOW_ENV="development").stdout.strip())


def test_where_there_are_several_organizations_they_are_named(ping_key, organization, other_organization):
    unclear = ping_key("show")
    assert (unclear.returncode, unclear.stdout) == (1, "")
    assert organization.slug in unclear.stderr
    assert other_organization.slug in unclear.stderr
