"""`tokiflow api-key` as scripts call it: the key alone on stdout, everything else on stderr."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.fixtures.instance import ROOT
from tokiflow.core import tokens
from tokiflow.db import db
from tokiflow.models import ApiKey, Letter, User
from tokiflow.queries import api_keys


@pytest.fixture
def api_key(app, database):
    """Runs `tokiflow api-key …` against the database of the test."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tokiflow.cli", "api-key", *arguments],
            env={"PATH": "/usr/bin:/bin", **database.environment, **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_key_alone_is_printed_and_works(api_key, alice, organization):
    made = api_key("create", "--name", "ci")
    assert made.returncode == 0, made.stderr
    assert tokens.looks_like_api_key(made.stdout.removesuffix("\n"))
    assert "Harbour Freight" in made.stderr
    row = api_keys.authenticate(made.stdout.strip(), datetime.now(UTC))
    assert row is not None
    assert (row.organization_id, row.name, row.scopes, row.expires_at) == (
        organization.id,
        "ci",
        ["read", "write"],
        None,
    )


def test_a_key_is_listed_and_revoked(api_key, organization):
    key = api_key("create", "--name", "ci", "--scopes", "ping", "--expires-in-days", "30").stdout.strip()
    listed = api_key("list").stdout
    assert key[:12] in listed
    assert key not in listed
    assert "ping\tvalid until" in listed
    assert api_key("revoke", key).returncode == 0
    assert "revoked" in api_key("list").stdout
    assert api_keys.authenticate(key, datetime.now(UTC)) is None
    again = api_key("revoke", key[:12])
    assert (again.returncode, again.stdout) == (1, "")
    assert "revoked already" in again.stderr


def test_where_there_are_several_organizations_they_are_named(api_key, organization, other_organization):
    unclear = api_key("create", "--name", "ci")
    assert (unclear.returncode, unclear.stdout) == (1, "")
    assert organization.slug in unclear.stderr
    assert other_organization.slug in unclear.stderr
    assert api_key("create", "--name", "ci", "--org", organization.slug).returncode == 0
    wrong = api_key("create", "--name", "ci", "--org", "nonsense")
    assert "There is no organization 'nonsense'" in wrong.stderr
    assert db.session.execute(select(ApiKey.organization_id)).scalars().all() == [organization.id]


def test_before_anybody_came_the_first_organization_is_made_but_only_in_development(api_key):
    refused = api_key("create", "--name", "ci")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Sign in once" in refused.stderr
    made = api_key("create", "--name", "ci", TOKIFLOW_ENV="development")
    assert tokens.looks_like_api_key(made.stdout.strip())
    assert db.session.execute(select(User.email)).scalars().all() == ["you@localhost"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", " "), "--name is empty"),
        (("--name", "ci", "--scopes", "read,admin"), "--scopes has admin in it"),
        (("--name", "ci", "--scopes", ","), "--scopes is empty"),
    ],
)
def test_mistakes_are_told_on_stderr(api_key, organization, arguments, said):
    failed = api_key("create", *arguments)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert said in failed.stderr


def test_a_key_is_replaced_and_both_work_for_a_while(api_key, alice, organization):
    old = api_key("create", "--name", "ci", "--scopes", "ping").stdout.strip()
    made = api_key("rotate", old, "--overlap-hours", "24", "--expires-in-days", "90")
    assert made.returncode == 0, made.stderr
    new = made.stdout.strip()
    assert "goes on until" in made.stderr
    now = datetime.now(UTC)
    first, second = api_keys.authenticate(old, now), api_keys.authenticate(new, now)
    assert first is not None
    assert second is not None
    assert (second.name, second.scopes, first.replaced_by) == ("ci", ["ping"], second.id)
    assert api_keys.authenticate(old, now + timedelta(hours=25)) is None
    assert api_keys.authenticate(new, now + timedelta(hours=25)) is not None
    told = db.session.execute(select(Letter.to_address)).scalars().all()
    assert told == [alice.email, alice.email], "of each key, as of those that are made on the page"
    again = api_key("rotate", old)
    assert (again.returncode, again.stdout) == (1, "")
    assert "replaced already" in again.stderr


def test_without_overlap_the_old_one_ends_at_once(api_key, organization):
    old = api_key("create", "--name", "ci").stdout.strip()
    made = api_key("rotate", old[:12], "--overlap-hours", "0")
    assert "is over" in made.stderr
    assert api_keys.authenticate(old, datetime.now(UTC)) is None
    assert "There is no key tfk_nothing" in api_key("rotate", "tfk_nothing").stderr
