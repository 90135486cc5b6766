"""The embedded PostgreSQL: made once, reachable by its owner alone, never tripped up by a crash."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.instance import wait_until
from tokiflow.errors import TokiflowError
from tokiflow.local import account as accounts
from tokiflow.local import processes
from tokiflow.local.folder import DataFolder
from tokiflow.local.postgres import Postgres


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    """A data folder. pytest's temporary folders are closed to other accounts, as /root is."""
    made = DataFolder(tmp_path / "data")
    made.make()
    made.lock()
    yield made
    made.remove_sockets()
    made.unlock()


@contextmanager
def served(folder: DataFolder) -> Iterator[Postgres]:
    server = Postgres(folder, folder.sockets(), durable=False)
    server.prepare()
    with Path(folder.path / "log").open("wb") as log:
        process = server.start(log)
    try:
        server.wait(process)
        yield server
    finally:
        processes.stop(process, server.stop_signal, 10)


def ask(server: Postgres, question: str) -> object:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def test_rows_survive_a_stop_and_a_start(folder: DataFolder) -> None:
    with served(folder) as server, psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with served(folder) as server:
        assert ask(server, "SELECT answer FROM kept") == 42


def test_it_listens_on_no_port_and_lets_nobody_else_in(folder: DataFolder) -> None:
    with served(folder) as server:
        assert ask(server, "SHOW listen_addresses") == ""
        assert server.sockets.stat().st_mode & 0o077 == 0
        assert ask(server, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == "peer"


def test_only_root_and_the_account_that_runs_it_may_log_in(folder: DataFolder) -> None:
    with served(folder) as server:
        names = ask(server, "SELECT string_agg(sys_name, ' ' ORDER BY sys_name) FROM pg_ident_file_mappings")
    assert names == " ".join(sorted({"root", accounts.own_name()}))


if os.geteuid() == 0:

    def test_the_account_of_the_server_cannot_log_in(folder: DataFolder) -> None:
        with served(folder) as server:
            assert server.account is not None
            install = server._install(None)
            client = subprocess.run(
                [install / "bin" / "psql", "-h", server.sockets, "-U", "tokiflow", "-c", "SELECT 1", "tokiflow"],
                user=server.account.uid,
                group=server.account.gid,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
        assert client.returncode != 0
        assert "Peer authentication failed" in client.stderr


def test_no_folder_of_the_user_is_opened(folder: DataFolder) -> None:
    parents = [folder.path, *folder.path.parents]
    before = [parent.stat().st_mode for parent in parents]
    with served(folder):
        pass
    assert [parent.stat().st_mode for parent in parents] == before


def test_making_the_database_is_begun_anew_when_it_was_killed_halfway(folder: DataFolder) -> None:
    script = (
        "import sys; from pathlib import Path; from tokiflow.local.folder import DataFolder;"
        "from tokiflow.local.postgres import Postgres;"
        "folder = DataFolder(Path(sys.argv[1])); Postgres(folder, folder.sockets(), durable=False).prepare()"
    )
    maker = subprocess.Popen([sys.executable, "-c", script, folder.path])
    half_made = folder.path / "postgres.unfinished" / "base"
    wait_until(half_made.exists, what="the first files of the database")
    maker.kill()
    maker.wait()
    assert not folder.postgres.exists()
    with served(folder) as server:
        assert ask(server, "SELECT 1") == 1
    assert not (folder.path / "postgres.unfinished").exists()


def test_what_a_killed_maker_still_writes_is_removed_as_well(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished, remove = folder.path / "postgres.unfinished", shutil.rmtree
    (unfinished / "base" / "1").mkdir(parents=True)
    late = iter([unfinished / "base" / "1" / "2602"])

    def and_then_it_writes(path: Path, **options: Any) -> None:
        for file in late:
            file.touch()
            raise OSError(errno.ENOTEMPTY, "Directory not empty", "1")
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", and_then_it_writes)
    Postgres(folder, folder.sockets(), durable=False).prepare()
    assert not unfinished.exists()
    assert not Postgres(folder, folder.sockets(), durable=False).is_new


def test_a_server_that_outlived_its_parent_is_ended_first(folder: DataFolder) -> None:
    server = Postgres(folder, folder.sockets(), durable=False)
    server.prepare()
    with Path(folder.path / "log").open("wb") as log:
        orphan = server.start(log)
    server.wait(orphan)
    assert processes.recall(server.note) == orphan.pid
    with served(folder) as second:
        assert orphan.wait(5) is not None
        assert ask(second, "SELECT 1") == 1


def test_a_stranger_with_the_old_servers_number_does_not_stop_the_start(folder: DataFolder) -> None:
    with served(folder):
        text = (folder.postgres / "postmaster.pid").read_text()
    stranger = subprocess.Popen(["sleep", "60"], user=65534 if os.geteuid() == 0 else None)
    try:
        (folder.postgres / "postmaster.pid").write_text(f"{stranger.pid}\n{text.partition(chr(10))[2]}")
        with served(folder) as server:
            assert ask(server, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_long_path_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / ("long" * 25) / "data")
    folder.make()
    place = folder.sockets()
    assert len(str(place)) < 60
    assert place.stat().st_mode & 0o022 == 0
    folder.remove_sockets()
    assert not place.exists()


def test_a_damaged_folder_is_named(folder: DataFolder) -> None:
    folder.postgres.mkdir()
    server = Postgres(folder, folder.sockets(), durable=False)
    server.prepare()
    with pytest.raises(TokiflowError, match="is not a PostgreSQL database"):
        server.start()


def test_the_server_goes_with_a_killed_parent(folder: DataFolder) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tokiflow.local.folder import DataFolder;"
        "from tokiflow.local.postgres import Postgres;"
        "folder = DataFolder(Path(sys.argv[1])); server = Postgres(folder, folder.sockets(), durable=False);"
        "server.prepare(); server.wait(server.start()); print('ready', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, folder.path], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"ready\n"
    pid = processes.recall(folder.run / "postgres.pid")
    assert pid is not None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    began = time.monotonic()
    wait_until(lambda: processes.birth(pid) is None, 10, "the end of the server")
    assert time.monotonic() - began < 10
