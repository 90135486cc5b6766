"""The parent: who dies is started again, ever more patiently, and all are stopped in order."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.instance import wait_until
from tokiflow.errors import TokiflowError
from tokiflow.local import processes, supervisor
from tokiflow.local.console import Console
from tokiflow.local.processes import Spec
from tokiflow.local.supervisor import Child, Supervisor


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def parent(screen: io.StringIO) -> Iterator[Supervisor]:
    made = Supervisor(Console(screen))
    yield made
    made.stop()


def child(name: str, script: str, folder: Path) -> Child:
    spec = Spec(name, [sys.executable, "-c", script], os.environ)
    return Child(name, lambda: processes.start(spec), folder / f"{name}.pid", patience=2)


SLEEP = "print('up', flush=True); import time; time.sleep(60)"


def test_a_killed_child_is_started_again(parent: Supervisor, screen: io.StringIO, tmp_path: Path) -> None:
    first = parent.add(child("web", SLEEP, tmp_path))
    first.kill()
    parent.run(until=lambda: processes.recall(tmp_path / "web.pid") not in (None, first.pid))
    assert "web stopped unexpectedly (killed by SIGKILL); starting it again in 0.5 s" in screen.getvalue()


def test_what_never_worked_is_given_up(
    parent: Supervisor, screen: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    parent.add(child("web", "raise SystemExit(3)", tmp_path))
    with pytest.raises(TokiflowError, match=r"web keeps stopping \(exit code 3\)"):
        parent.run(until=lambda: False)
    assert "again in 0.08 s" in screen.getvalue()


def test_what_worked_once_is_never_given_up(
    parent: Supervisor, screen: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.002)
    parent.settled = True
    parent.add(child("web", "raise SystemExit(3)", tmp_path))
    parent.run(until=lambda: screen.getvalue().count("stopped unexpectedly") > supervisor.HOPELESS_DEATHS)


def test_children_stop_in_order_the_last_one_first(parent: Supervisor, screen: io.StringIO, tmp_path: Path) -> None:
    farewell = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit()));"
        "print('up', flush=True); time.sleep(60)"
    )
    for name in ("postgres", "worker", "web"):
        parent.add(child(name, farewell, tmp_path))
    wait_until(lambda: screen.getvalue().count("up") == 3)
    parent.stop()
    parent.console.drain()
    said = [line.split()[0] for line in screen.getvalue().splitlines() if line.endswith("bye")]
    assert sorted(said) == ["postgres", "web", "worker"]
    assert said.index("web") < said.index("postgres")
    assert not list(tmp_path.iterdir())


def test_nobody_waits_for_a_stubborn_child_when_people_are_in_a_hurry(
    parent: Supervisor, screen: io.StringIO, tmp_path: Path
) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
    process = parent.add(child("web", deaf, tmp_path))
    wait_until(lambda: "up" in screen.getvalue())
    parent.stop(hurry=lambda: True)
    assert process.returncode == -signal.SIGKILL
    assert "web does not stop; ending it" in screen.getvalue()


def test_a_child_that_cannot_even_be_started_is_tried_again(
    parent: Supervisor, screen: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    web = child("web", SLEEP, tmp_path)
    first, start = parent.add(web), web.start
    attempts: list[str] = []

    def sometimes() -> subprocess.Popen[bytes]:
        attempts.append("one")
        if len(attempts) < 3:
            raise OSError("no room")
        return start()

    web.start = sometimes
    first.kill()
    parent.run(until=lambda: len(attempts) == 3)
    assert "web stopped unexpectedly (no room)" in screen.getvalue()
