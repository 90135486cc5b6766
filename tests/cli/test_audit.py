"""`tokiflow audit verify` as operators and timers call it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import text

from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db, transaction
from tokiflow.services import audit

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)


@pytest.fixture
def verify(typed):
    """`tokiflow audit verify …` on the database of the test."""
    return partial(typed, "audit", "verify")


@pytest.fixture
def process(called):
    """The same, as a process of its own."""
    return partial(called, "audit", "verify")


@pytest.fixture
def three(organization):
    for n in range(3):
        with transaction():
            audit.record(f"monitor.edited_{n}", TOKIFLOW, organization.id, NOW)
    return organization


def test_a_log_that_holds_is_said_to_hold(process, three, other_organization):
    done = process()
    assert done.returncode == 0, done.stderr
    assert f"{three.slug}: 3 events hold\n" in done.stdout
    assert f"{other_organization.slug}: nothing was done here yet\n" in done.stdout


def test_a_log_that_was_changed_is_named_and_fails(verify, process, three, other_organization):
    with transaction():
        db.session.execute(text("update audit_events set what = 'monitor.deleted' where n = 2"))
    done = process()
    assert done.returncode == 1
    assert f"{three.slug}: altered: Event 2 is not as it was written\n" in done.stdout
    assert verify("--org", other_organization.slug).returncode == 0


def test_the_newest_event_is_missed_though_the_end_was_moved_back(verify, three):
    with transaction():
        db.session.execute(text("delete from audit_events where n = 3"))
        db.session.execute(text("update audit_chains set n = 2, hash = (select hash from audit_events where n = 2)"))
    done = verify()
    assert done.returncode == 1
    assert f"{three.slug}: removed: Its beginning and its end are not where we left them" in done.stdout


def test_a_chain_that_is_gone_itself_is_missed(verify, three):
    with transaction():
        db.session.execute(text("delete from audit_chains"))
    done = verify()
    assert (done.returncode, "the chain that held them is gone" in done.stdout) == (1, True)


def test_with_another_key_it_says_what_is_missing(verify, three):
    done = verify("--org", three.slug, SECRET_KEY="another-key-that-is-long-enough-0123456789-abcdefghij")
    assert done.returncode == 1
    assert "SECRET_KEY is another than when it began" in done.stderr
    unknown = verify("--org", "nowhere")
    assert (unknown.returncode, "There is no organization" in unknown.stderr) == (1, True)


def head_of(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.split(": head ")[1].splitlines()[0]


def test_its_head_can_be_kept_elsewhere_and_asked_for_later(verify, three):
    head = head_of(verify("--org", three.slug))
    assert head.startswith("3:")
    with transaction():
        audit.record("monitor.paused", TOKIFLOW, three.id, NOW)
    done = verify("--org", three.slug, "--expect", head)
    assert done.returncode == 0, done.stderr
    assert f"{three.slug}: it contains event 3 as it was\n" in done.stdout


def test_a_log_that_was_begun_anew_does_not_contain_the_old_head(verify, three):
    head = head_of(verify())
    with transaction():
        db.session.execute(text("delete from audit_events"))
        db.session.execute(text("delete from audit_chains"))
    for _ in range(4):
        with transaction():
            audit.record("monitor.paused", TOKIFLOW, three.id, NOW)
    assert verify().returncode == 0, "nothing else shows it"
    done = verify("--expect", head)
    assert done.returncode == 1
    assert "does not contain event 3 as it was" in done.stdout


def test_a_head_is_of_one_organization_and_looks_like_one(verify, three, other_organization):
    unclear = verify("--expect", f"3:{'0' * 64}")
    assert (unclear.returncode, "choose one with --org" in unclear.stderr) == (1, True)
    for wrong in ("3", "3:abc", f"-1:{'0' * 64}"):
        done = verify("--org", three.slug, "--expect", wrong)
        assert (done.returncode, "number, colon, hash" in done.stderr) == (2, True)
