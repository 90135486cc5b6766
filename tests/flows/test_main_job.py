"""The main job, end to end: a job pings, falls silent, people are told; it recovers, people are told."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.instance import ROOT, wait_until
from tests.fixtures.receivers import Arrival
from tests.flows.conftest import House

PROMPT_SECONDS = 3.0
"""From the moment something is trouble to the arrival of the news, on a busy machine."""

TOKIFLOW = f"{shlex.quote(sys.executable)} -m tokiflow.cli"


@pytest.fixture(autouse=True)
def nothing_stumbles(house: House) -> Iterator[None]:
    """Where nobody is hurt, no process of ours has anything to complain about."""
    yield
    said = house.instance.output()
    assert not [line for line in said.splitlines() if "Traceback" in line or "[error" in line], said[-5000:]


def run_job(house: House, monitor: dict[str, Any], script: str, code: int = 0) -> None:
    """`tokiflow run` around a job, as its crontab would have it."""
    done = subprocess.run(
        [*shlex.split(TOKIFLOW), "run", "--monitor", monitor["ping_url"], "--", "sh", "-c", script],
        env=house.instance.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "tokiflow:" not in done.stderr, "every ping arrived"


@contextmanager
def job_loop(house: House, monitors: list[dict[str, Any]], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A shell that runs the job of each monitor again and again, and says so after each round."""
    runs = "; ".join(
        f"{TOKIFLOW} run --monitor {monitor['ping_url']} -- sh -c 'echo dumping orders; echo done'"
        for monitor in monitors
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", f"while :; do {runs}; echo a round is over; sleep 3; done"],
            env=house.instance.env,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """`kill -9`, the shell and whatever it runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rounds(log: Path) -> int:
    return log.read_text().count("a round is over")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def check_prompt(arrivals: dict[str, Arrival], since: str) -> None:
    late = {door: (arrival.at - moment(since)).total_seconds() for door, arrival in arrivals.items()}
    assert all(0 <= seconds <= PROMPT_SECONDS for seconds in late.values()), late


def check_alerts(house: House, incident: dict[str, Any], kinds: list[str]) -> None:
    """The API knows each alert, sent to three channels at the first try."""
    alerts = house.api.get(f"/alerts?incident={incident['id']}")["items"]
    assert [alert["kind"] for alert in alerts] == kinds
    for alert in alerts:
        assert sorted(one["channel"]["kind"] for one in alert["deliveries"]) == ["email", "slack", "webhook"]
        assert {one["status"] for one in alert["deliveries"]} == {"sent"}
        assert [[attempt["ok"] for attempt in one["attempts"]] for one in alert["deliveries"]] == 3 * [[True]]


def wait_recorded(house: House, incident: dict[str, Any]) -> None:
    """Return when what was sent has been written down, too."""

    def recorded() -> bool:
        alerts = house.api.get(f"/alerts?incident={incident['id']}")["items"]
        return all(one["status"] == "sent" for alert in alerts for one in alert["deliveries"])

    wait_until(recorded, 10, "the record of what was sent")


def test_a_job_falls_silent_and_comes_back(house: House, tmp_path: Path) -> None:
    channels = house.make_channels()
    minutely = house.make_monitor(
        "Orders to the warehouse",
        schedule={"kind": "cron", "expression": "* * * * *", "timezone": "Europe/Berlin"},
        grace_seconds=1,
        channels=channels,
    )
    often = house.make_monitor(
        "Queue drain", schedule={"kind": "every", "seconds": 30}, grace_seconds=1, channels=channels
    )
    jobs = [minutely, often]

    # Rounds take a few seconds: across a full minute, the minutely job would be a little late by itself.
    wait_until(lambda: 1 <= datetime.now(UTC).second <= 35, 60, "a minute that has enough left of it")
    with job_loop(house, jobs, tmp_path / "loop.log") as process:
        wait_until(lambda: rounds(tmp_path / "loop.log") >= 2, 60, "two rounds of the jobs")
        kill(process)
    assert {house.api.get(f"/monitors/{job['id']}")["status"] for job in jobs} <= {"up", "late"}

    for job in (often, minutely):
        told = house.wait_told(job["name"], "opened", 75)
        incident = house.incident(job)
        assert (incident["kind"], incident["status"]) == ("missed", "open")
        monitor = house.api.get(f"/monitors/{job['id']}")
        assert (monitor["status"], monitor["deadline_at"]) == ("down", incident["opened_at"])
        check_prompt(told, incident["opened_at"])
        told["webhook"].check_signature()
        assert told["webhook"].json()["monitor"]["id"] == job["id"]
        assert told["webhook"].headers["Tokiflow-Delivery"] == told["webhook"].json()["id"]
        for arrival in told.values():
            assert "should have pinged by" in arrival.text()
            assert "the ping due at" in arrival.text()

    with job_loop(house, jobs, tmp_path / "again.log"):
        for job in jobs:
            told = house.wait_told(job["name"], "resolved", 60)
            told["webhook"].check_signature()
            incident = house.incident(job)
            assert incident["status"] == "resolved"
            assert [step["what"] for step in incident["timeline"]] == ["opened", "resolved"]
            check_prompt(told, incident["resolved_at"])

    for job in jobs:
        incident = house.incident(job)
        wait_recorded(house, incident)
        check_alerts(house, incident, ["resolved", "opened"])
        assert {door: len(all_) for door, all_ in house.receivers.about(job["name"]).items()} == {
            "mail": 2, "webhook": 2, "slack": 2,
        }  # fmt: skip
        outcomes = [run["outcome"] for run in house.api.get(f"/monitors/{job['id']}/runs")["items"]]
        assert outcomes.count("missed") == 1
        assert outcomes.count("success") >= 3


def test_a_job_fails_and_succeeds(house: House) -> None:
    job = house.make_monitor("Nightly invoices", channels=house.make_channels())
    run_job(house, job, "echo 12 invoices; echo SMTP relay access denied >&2; exit 3", code=3)
    told = house.wait_told(job["name"], "opened", 20)
    incident = house.incident(job)
    assert (incident["kind"], incident["summary"]) == ("failed", "exit code 3: “SMTP relay access denied”")
    check_prompt(told, incident["opened_at"])
    for arrival in told.values():
        assert "SMTP relay access denied" in arrival.text()
    assert told["webhook"].json()["run"]["exit_code"] == 3
    assert told["webhook"].json()["run"]["last_lines"][-1] == "SMTP relay access denied"

    run_job(house, job, "echo 12 invoices")
    house.wait_told(job["name"], "resolved", 20)
    incident = house.incident(job)
    wait_recorded(house, incident)
    check_alerts(house, incident, ["resolved", "opened"])
    success, failed = house.api.get(f"/monitors/{job['id']}/runs")["items"]
    assert (success["outcome"], failed["outcome"], failed["exit_code"]) == ("success", "failed", 3)
    assert failed["output"] == {"bytes": 37, "truncated": False}


def test_a_job_runs_too_long_and_comes_to_its_end(house: House) -> None:
    job = house.make_monitor("Reindex", max_runtime_seconds=2, channels=house.make_channels())
    command = [*shlex.split(TOKIFLOW), "run", "--monitor", job["ping_url"], "--", "sh", "-c", "read end; echo done"]
    with subprocess.Popen(command, env=house.instance.env, cwd=ROOT, stdin=subprocess.PIPE) as process:
        told = house.wait_told(job["name"], "opened", 30)
        incident = house.incident(job)
        assert incident["kind"] == "overrun"
        check_prompt(told, incident["opened_at"])
        for arrival in told.values():
            assert "has been running for longer than the 2 s allowed" in arrival.text()
        assert house.api.get(f"/monitors/{job['id']}")["running"] is False, "nobody waits for it within its time"
        process.communicate(b"now\n", timeout=30)
    house.wait_told(job["name"], "resolved", 20)
    (run,) = house.api.get(f"/monitors/{job['id']}/runs")["items"]
    assert (run["outcome"], run["exit_code"]) == ("overran", 0)
    assert run["duration_seconds"] > 2
    (started,) = [run["started_at"]]
    assert (moment(incident["opened_at"]) - moment(started)).total_seconds() == 2
