"""`tokiflow ping-key` as scripts call it: the key alone on stdout, everything else on stderr."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from tokiflow.core import tokens
from tokiflow.db import db
from tokiflow.models import AuditEvent


@pytest.fixture
def ping_key(typed):
    """`tokiflow ping-key …` on the database of the test."""
    return partial(typed, "ping-key")


@pytest.fixture
def process(called):
    """The same, as a process of its own."""
    return partial(called, "ping-key")


def test_a_key_is_made_shown_and_replaced(ping_key, process, organization):
    none = ping_key("show")
    assert (none.returncode, none.stdout) == (1, "")
    assert "tokiflow ping-key rotate" in none.stderr
    first = process("rotate")
    assert tokens.looks_like_ping_key(first.stdout.removesuffix("\n"))
    assert "404" not in first.stderr, "there was none that could stop working"
    assert process("show", "--org", organization.slug).stdout == first.stdout
    second = ping_key("rotate")
    assert "answered with 404" in second.stderr
    db.session.refresh(organization)
    assert second.stdout == f"{organization.ping_key}\n" != first.stdout
    done = db.session.execute(select(AuditEvent.what, AuditEvent.by).order_by(AuditEvent.id)).all()
    operator = "an operator at the command line"
    assert done == [("organization.ping_key_created", operator), ("organization.ping_key_rotated", operator)]


def test_on_the_first_day_there_is_a_key_already(process):
    assert tokens.looks_like_ping_key(process("show", TOKIFLOW_ENV="development").stdout.strip())


def test_where_there_are_several_organizations_they_are_named(ping_key, organization, other_organization):
    unclear = ping_key("show")
    assert (unclear.returncode, unclear.stdout) == (1, "")
    assert organization.slug in unclear.stderr
    assert other_organization.slug in unclear.stderr
