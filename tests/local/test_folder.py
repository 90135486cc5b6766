"""The data folder: one Tokiflow at a time, a key that stays, and nobody else reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tokiflow.cli import instance
from tokiflow.errors import TokiflowError
from tokiflow.local import folder as folders
from tokiflow.local.folder import AlreadyRunning, DataFolder


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.make()
    return made


def test_a_second_start_is_told_where_the_first_one_is(folder: DataFolder) -> None:
    folder.lock()
    folder.sign("http://127.0.0.1:8000")
    with pytest.raises(AlreadyRunning) as told:
        DataFolder(folder.path).lock()
    expected = f"Tokiflow already runs on this data at http://127.0.0.1:8000 (process {os.getpid()})."
    assert str(told.value).startswith(expected)
    folder.unlock()
    DataFolder(folder.path).lock()


def test_the_lock_goes_with_a_killed_process(folder: DataFolder) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tokiflow.local.folder import DataFolder;"
        "DataFolder(Path(sys.argv[1])).lock(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, folder.path], check=False)
    folder.lock()
    folder.unlock()


def test_the_secret_key_is_made_once_and_is_private(folder: DataFolder) -> None:
    key = folder.secret_key()
    assert len(key) >= 48
    assert DataFolder(folder.path).secret_key() == key
    assert (folder.path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir(mode=0o750)
    mounted.chmod(0o750)
    DataFolder(mounted).make()
    assert mounted.stat().st_mode & 0o777 == 0o750


def test_a_place_that_cannot_hold_data_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokiflowError, match="choose another folder with --data"):
        DataFolder(tmp_path / "file" / "data").make()


def test_other_commands_find_the_running_instance(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"TOKIFLOW_DATA": str(folder.path)})
    with pytest.raises(TokiflowError, match=r"not running on the data in .* Start it with: tokiflow up --data"):
        instance.load_environment(None)
    folder.lock()
    folder.describe_instance({"DATABASE_URL": "postgresql://here", "EMAIL_FROM": "A = B <a@b>"})
    assert folder.instance.stat().st_mode & 0o777 == 0o600
    instance.load_environment(None)
    assert os.environ["DATABASE_URL"] == "postgresql://here"
    assert os.environ["EMAIL_FROM"] == "A = B <a@b>"
    folder.unlock()


def test_a_crashed_instance_is_not_taken_for_a_running_one(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.describe_instance({"DATABASE_URL": "postgresql://gone"})
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(TokiflowError, match="not running"):
        instance.load_environment(str(folder.path))


def test_a_database_in_the_environment_needs_no_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"DATABASE_URL": "postgresql://production", "TOKIFLOW_DATA": "/nowhere"}
    monkeypatch.setattr(os, "environ", environ)
    instance.load_environment(None)
    assert environ == {"DATABASE_URL": "postgresql://production", "TOKIFLOW_DATA": "/nowhere"}


@pytest.mark.parametrize(
    ("uid", "environ", "expected"),
    [
        (0, {}, "/var/lib/tokiflow"),
        (1000, {"XDG_DATA_HOME": "/xdg"}, "/xdg/tokiflow"),
        (1000, {"HOME": "/home/alice"}, "/home/alice/.local/share/tokiflow"),
    ],
)
def test_the_default_folder(uid: int, environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "environ", environ)
    assert str(folders.default()) == expected
