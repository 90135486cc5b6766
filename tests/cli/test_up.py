"""`tokiflow up`, with real processes: starts, tells, heals, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.fixtures.instance import CHILDREN, ROOT, Instance, running, wait_until
from tokiflow.cli.up import Instance as UpInstance
from tokiflow.local import ports, processes
from tokiflow.local.console import Console
from tokiflow.local.folder import DataFolder

pytestmark = pytest.mark.timeout(300)


def up(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "tokiflow.cli", "up", *arguments],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def living(pids: dict[str, int]) -> dict[str, int]:
    return {name: pid for name, pid in pids.items() if processes.birth(pid) is not None}


def listeners(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_first_start_then_a_stop_that_leaves_nothing_then_a_second_start(tmp_path: Path) -> None:
    with running(tmp_path / "data") as instance:
        instance.wait_healthy()
        assert "Making a database (first time only)…" in instance.output()
        assert set(instance.pids()) == set(CHILDREN)
        pids = instance.pids()
        key = (instance.data / "secret_key").read_text()
        assert instance.stop(signal.SIGTERM) == 0
        assert living(pids) == {}
        assert not listeners(instance.port)
        assert not (instance.data / "instance.env").exists()

        instance.log.write_text("")
        instance.restart().wait_ready()
        assert "Making a database" not in instance.output()
        assert (instance.data / "secret_key").read_text() == key
        assert instance.stop(signal.SIGINT) == 0


def test_a_second_start_on_the_same_data_says_so_kindly(instance: Instance) -> None:
    second = up("--data", str(instance.data), "--port", str(ports.free()))
    assert second.returncode == 1
    assert f"Tokiflow already runs on this data at {instance.url} (process {instance.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert instance.is_healthy()
    assert instance.run_cli(["db", "check"]).returncode == 0, "the second start took something away from the first"


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = up("--data", str(tmp_path / "data"), PORT=str(port))
    assert refused.returncode == 1
    assert f"Port {port} is in use by another program; choose another with --port or PORT" in refused.stderr


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    refused = up("--data", str(tmp_path / "data"), PORT="http")
    assert refused.returncode == 2
    assert "PORT" in refused.stderr


def test_every_wrong_setting_is_named_before_anything_starts(tmp_path: Path) -> None:
    refused = up("--data", str(tmp_path / "data"), TOKIFLOW_ENV="producton", TOKIFLOW_OUTBOUND_ALLOW="home")
    assert refused.returncode == 1
    assert "TOKIFLOW_ENV" in refused.stderr
    assert "TOKIFLOW_OUTBOUND_ALLOW" in refused.stderr
    assert not (tmp_path / "data" / "postgres").exists()


def test_two_requests_to_stop_are_no_worse_than_one(tmp_path: Path) -> None:
    with running(tmp_path / "data") as instance:
        pids = instance.pids()
        instance.process.send_signal(signal.SIGINT)
        assert instance.stop(signal.SIGINT, seconds=20) == 0
        assert living(pids) == {}


def test_a_stop_while_it_still_starts_is_a_stop(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "data", ports.free())
    wait_until(lambda: "Making a database" in instance.output(), 60, "the first step")
    assert instance.stop(signal.SIGTERM) == 0
    with running(tmp_path / "data") as again:
        assert set(again.pids()) == set(CHILDREN)


def test_a_killed_parent_leaves_no_orphan_and_the_next_start_works_at_once(tmp_path: Path) -> None:
    with running(tmp_path / "data") as instance:
        pids = instance.pids()
        instance.process.kill()
        instance.process.wait()
        instance.log.write_text("")
        instance.restart().wait_ready().wait_healthy()
        assert living(pids) == {}

        pids = instance.pids()
        instance.process.kill()
        instance.process.wait()
        wait_until(lambda: not living(pids), 20, "the end of all children")
        assert not listeners(instance.port)


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_is_healed(instance: Instance, name: str) -> None:
    pid = instance.kill(name)
    instance.wait_replaced(name, pid)
    instance.wait_healthy()
    assert f"{name} stopped unexpectedly (killed by SIGKILL)" in instance.output()


def test_other_commands_speak_to_the_running_instance(instance: Instance) -> None:
    checked = instance.run_cli(["db", "check"])
    assert checked.returncode == 0, checked.stderr
    assert "The database is at version" in checked.stdout
    elsewhere = instance.run_cli(["db", "check", "--data", str(instance.data.with_name("nothing"))])
    assert elsewhere.returncode == 1
    assert "tokiflow up --data" in elsewhere.stderr


def test_a_visitor_of_this_machine_is_in_development(instance: Instance) -> None:
    variables = dict(line.split("=", 1) for line in (instance.data / "instance.env").read_text().splitlines())
    assert variables["TOKIFLOW_ENV"] == "development"
    assert variables["TOKIFLOW_LOCAL_SIGN_IN"] == "1"
    assert variables["PUBLIC_URL"] == instance.url


@pytest.mark.parametrize(
    ("host", "environment", "expected"),
    [
        ("127.0.0.1", "development", "1"),
        ("localhost", "development", "1"),
        ("0.0.0.0", "development", "0"),
        ("192.0.2.1", "development", "0"),
        ("127.0.0.1", "production", "0"),
    ],
)
def test_nobody_is_signed_in_from_outside_or_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, environment: str, expected: str
) -> None:
    monkeypatch.setenv("TOKIFLOW_ENV", environment)
    folder = DataFolder(tmp_path)
    variables = UpInstance(folder, host, 8000, Console(io.StringIO())).variables_for(None, None)
    assert variables["TOKIFLOW_LOCAL_SIGN_IN"] == expected


def test_health_is_json_that_tells_the_parts_apart(instance: Instance) -> None:
    with urllib.request.urlopen(f"{instance.url}/api/health", timeout=5) as answer:
        told = json.load(answer)
    assert {"database", "queue", "clock", "worker"} <= set(json.dumps(told).replace('"', " ").replace(":", " ").split())
