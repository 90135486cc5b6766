"""`scripts/duration-trend` as an operator runs it after a deployment: with nothing installed, against anything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.fixtures.instance import ROOT, Instance
from tokiflow.local import ports

pytestmark = pytest.mark.timeout(180)
SCRIPT = ROOT / "scripts" / "duration-trend"


def trend(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Without our environment, and without anything that is installed."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), *arguments],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.fixture(scope="module")
def key(instance: Instance) -> str:
    made = instance.run_cli(["api-key", "create", "--name", "smoke", "--scopes", "read,write"])
    found = re.search(r"tfk_\w+", made.stdout)
    assert found, made.stdout + made.stderr
    return found[0]


def monitors(instance: Instance, key: str) -> dict[str, str]:
    request = urllib.request.Request(
        f"{instance.url}/api/v1/monitors?q=Duration", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {one["id"]: one["ping_url"] for one in json.load(answer)["items"]}


def test_a_day_is_sent_and_charted_and_all_traces_go(instance: Instance, key: str) -> None:
    done = trend("--url", instance.url, "--clean", TOKIFLOW_API_KEY=key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the chart has 24 points" in done.stdout
    assert "23 of 24 succeeded, 95.8%" in done.stdout
    assert "marked as unlike the usual: run 13, run 22; the band is from" in done.stdout
    assert "a ping can't say when it was" in done.stdout
    assert "removed the monitor" in done.stdout
    assert key not in done.stdout + done.stderr
    assert monitors(instance, key) == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"seconds": 1.0}, "run 9 took (seconds): "),
        ({"succeeded": 0}, "run 9 succeeded: 1 expected, 0 found"),
        ({"unusual": [{}]}, "runs marked as unlike the usual: run 13, run 22 expected, run 9, run 13, run 22 found"),
        ({"run": None}, "run 9 is not on the chart"),
    ],
    ids=["time", "outcome", "mark", "place"],
)
def test_a_chart_that_is_wrong_is_told(instance: Instance, key: str, wrong: dict[str, object], told: str) -> None:
    class Liar(BaseHTTPRequestHandler):
        """The instance, but for a point of each chart: that of the last good run that told its start."""

        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if self.headers[name]}
            asked = urllib.request.Request(
                instance.url + self.path, self.rfile.read(size) or None, headers, method=self.command
            )
            with urllib.request.urlopen(asked, timeout=10) as answer:
                status, said = answer.status, answer.read()
            if "/trend" in self.path and (chart := json.loads(said))["points"]:
                good = [one for one in chart["points"] if one["succeeded"]]
                max(good, key=lambda one: one["at"]).update(wrong)
                said = json.dumps(chart).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = trend("--url", f"http://127.0.0.1:{server.server_port}", "--key", key, "--clean")
        server.shutdown()
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"not ok  {told}" in done.stdout


def test_whoever_has_only_a_ping_url_sends_and_is_told_that_nothing_was_checked(instance: Instance, key: str) -> None:
    kept = trend("--url", instance.url, "--runs", "12", "--key", key)
    assert kept.returncode == 0, kept.stdout
    (monitor, ping_url), *more = monitors(instance, key).items()
    assert not more
    assert f"the monitor stays: {instance.url}/app/monitors/{monitor}" in kept.stdout
    done = trend("--ping-url", ping_url, "--runs", "12")
    assert done.returncode == 0, done.stdout
    assert "nothing was checked" in done.stdout


def test_a_wrong_key_is_told_in_a_sentence(instance: Instance) -> None:
    done = trend("--url", instance.url, "--key", "tfk_wrong")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("not ok  the key was refused (401)")


def test_a_key_that_may_only_read_is_told_what_it_needs(instance: Instance) -> None:
    made = instance.run_cli(["api-key", "create", "--name", "reader", "--scopes", "read"])
    done = trend("--url", instance.url, "--key", re.findall(r"tfk_\w+", made.stdout)[0])
    assert done.returncode == 1
    assert "needs the scopes read and write" in done.stdout


def test_nobody_at_home_is_told_in_a_sentence() -> None:
    done = trend("--url", f"http://127.0.0.1:{ports.free()}", "--key", "tfk_any")
    assert (done.returncode, done.stderr) == (1, "")
    assert "can't be reached: " in done.stdout


def test_a_ping_url_of_nothing_is_told(instance: Instance) -> None:
    done = trend("--ping-url", f"{instance.url}/ping/nobody")
    assert done.returncode == 1
    assert "answered with 404" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [(), ("--key", "k", "--runs", "3"), ("--key", "k", "--url", "ftp://x")],
    ids=["nothing", "too-few-runs", "no-web-address"],
)
def test_wrong_arguments_are_told(arguments: tuple[str, ...]) -> None:
    assert trend(*arguments).returncode == 2
