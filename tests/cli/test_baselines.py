"""`tokiflow baselines rebuild`, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from tests.factories import make_monitor
from tests.fixtures.database import Database
from tests.fixtures.instance import ROOT
from tokiflow.core import ids
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Baseline, Organization
from tokiflow.services import pings
from tokiflow.services.pings import Incoming


def rebuild(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tokiflow.cli", "baselines", "rebuild", *arguments],
        env={"PATH": "/usr/bin:/bin", **database.environment}, cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_all_or_one_is_learnt_anew(database: Database, organization: Organization) -> None:
    monitor, other = make_monitor(organization), make_monitor(organization)
    now = datetime.now(UTC)
    for hours in (3, 2, 1):
        at = now - timedelta(hours=hours)
        batch = [Incoming(one.token, Ping(Signal.SUCCESS, at, duration_ms=720_000)) for one in (monitor, other)]
        pings.record(batch, at)
    assert rebuild(database).stdout == "Learnt from 6 runs\n"
    assert rebuild(database, "--monitor", ids.public("mon", monitor.id)).stdout == "Learnt from 3 runs\n"
    assert db.session.query(Baseline).count() == 2


def test_a_monitor_that_is_not_there_is_said_plainly(database: Database, organization: Organization) -> None:
    answer = rebuild(database, "--monitor", "mon_nobody")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "Traceback" not in answer.stderr
