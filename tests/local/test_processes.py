"""Processes of ours: known again, and stopped in good time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tokiflow.local import processes
from tokiflow.local.processes import Spec

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def python(script: str) -> Spec:
    return Spec("test", [sys.executable, "-c", script], os.environ)


def test_a_note_is_believed_only_for_the_very_process(tmp_path: Path) -> None:
    note = tmp_path / "note"
    processes.remember(os.getpid(), note)
    assert processes.recall(note) == os.getpid()
    written = json.loads(note.read_text())
    note.write_text(json.dumps({**written, "birth": "another boot/1"}))
    assert processes.recall(note) is None
    note.write_text("not json")
    assert processes.recall(note) is None


def test_a_stranger_with_a_remembered_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    note = tmp_path / "note"
    note.write_text(json.dumps({"pid": stranger.pid, "birth": "before/0"}))
    assert processes.end_orphan(note, signal.SIGTERM, 1) is None
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_who_does_not_listen_is_killed() -> None:
    process = processes.start(python(STUBBORN))
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        assert processes.stop(process, signal.SIGTERM, 0.2) is False
    assert process.returncode == -signal.SIGKILL


def test_who_listens_ends_by_itself() -> None:
    process = processes.start(python("print('up', flush=True); import time; time.sleep(60)"))
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        assert processes.stop(process, signal.SIGTERM, 5) is True


def test_an_orphan_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = processes.start(python(STUBBORN))
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        processes.remember(process.pid, tmp_path / "note")
        assert processes.end_orphan(tmp_path / "note", signal.SIGTERM, 0.2) == process.pid
    assert process.wait(5) == -signal.SIGKILL
