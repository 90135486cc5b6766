"""`tokiflow rollups recompute` as operators call it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from tests.factories import make_monitor
from tests.fixtures.database import Database
from tests.fixtures.instance import ROOT
from tests.services.test_rollups import recorded
from tokiflow.db import db
from tokiflow.models import Organization, Rollup


def recompute(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tokiflow.cli", "rollups", "recompute", *arguments],
        env={"PATH": "/usr/bin:/bin", **database.environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_that_is_kept_is_counted_anew(database: Database, organization: Organization) -> None:
    monitor, now = make_monitor(organization), datetime.now(UTC)
    recorded(monitor, now - timedelta(days=2))
    recorded(monitor, now - timedelta(days=1))
    since = f"{now - timedelta(days=1):%Y-%m-%d}"
    told = recompute(database, "--since", since).stdout.splitlines()
    assert told[0] == f"{since}: 1 monitor"
    assert len(db.session.execute(select(Rollup.at).where(Rollup.grain == "day")).all()) == 1
    assert "counted anew" in recompute(database).stdout
    assert len(db.session.execute(select(Rollup.at).where(Rollup.grain == "day")).all()) == 2


def test_a_day_that_is_none_is_refused(database: Database) -> None:
    refused = recompute(database, "--since", "yesterday")
    assert (refused.returncode, "2026-11-20" in refused.stderr) == (2, True)


def test_without_runs_there_is_nothing_to_count(database: Database, organization: Organization) -> None:
    assert recompute(database).stdout == "there are no runs to count\n"
