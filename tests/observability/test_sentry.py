"""What arrives at Sentry, received by a real HTTP server: what broke and where, and nobody's secrets."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sentry_sdk
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.observability.given import settings_with
from tokiflow.local.folder import DataFolder
from tokiflow.local.valkey import Valkey
from tokiflow.observability import sentry

ROOT = Path(__file__).parents[2]
SECRETS = {
    "token": "Zx81QwErTyUiOpAsDfGhJk",
    "link": "InVeryLongSignInLinkToken-abc_def",
    "key": "tfk_abcd1234_SeCrEtPaRtOfTheApiKey",
    "email": "alice.owner@harbour-freight.example",
    "name": "alice-the-owner",
    "password": "hunter2-and-more",
    "slack": "T0AAAAAAA/B0BBBBBBB/cCcCcCcCcCcCcCcC",
    "cookie": "signed-session-cookie-value",
    "header": "custom-header-value",
    "query": "what-somebody-searched-for",
    "body": "what the job printed, a customer's name perhaps",
    "ip": "203.0.113.77",
}


@dataclass(frozen=True)
class Sent:
    """Everything that one process sent: as it came, and the events in it."""

    raw: str
    events: list[dict[str, Any]]

    def error(self, name: str) -> dict[str, Any]:
        """The event for the exception `name`."""
        return next(e for e in self.events if name in [v["type"] for v in e.get("exception", {}).get("values", [])])


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey of its own: the leaky worker shall not meet anybody else's jobs."""
    folder = DataFolder(tmp_path_factory.mktemp("leaky") / "data")
    folder.make()
    valkey = Valkey(folder, folder.sockets(), durable=False)
    process = valkey.start(subprocess.DEVNULL)
    valkey.wait(process)
    yield valkey.url()
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def sent(valkey_url: str) -> Sent:
    """What the leaky process sends, to a server of its own: the shared one may be busy with somebody who hangs."""
    bodies: list[bytes] = []

    def receive(request: Request) -> Response:
        data = request.get_data()
        bodies.append(gzip.decompress(data) if request.headers.get("Content-Encoding") == "gzip" else data)
        return Response("{}")

    with HTTPServer(threaded=True) as server:
        server.expect_request("/api/42/envelope/").respond_with_handler(receive)
        done = subprocess.run(
            [sys.executable, "-m", "tests.observability.leaky"],
            env=os.environ
            | {
                "SECRETS": json.dumps(SECRETS),
                "DSN": f"http://public@127.0.0.1:{server.port}/42",
                "TEST_REDIS_URL": valkey_url,
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    return Sent(b"\n".join(bodies).decode(), [event for body in bodies for event in _events(body)])


def _events(envelope: bytes) -> list[dict[str, Any]]:
    items = [json.loads(line) for line in envelope.splitlines()[1:] if line.startswith(b"{")]
    return [item for item in items if "event_id" in item and "platform" in item]


@pytest.mark.parametrize("what", SECRETS)
def test_no_secret_and_nothing_personal_arrives(sent, what):
    for written in (SECRETS[what], json.dumps(SECRETS[what])[1:-1], quote(SECRETS[what], safe="")):
        place = sent.raw.find(written)
        assert place < 0, sent.raw[max(0, place - 200) : place + 80]


def test_an_error_in_a_request_tells_what_broke_and_where(sent):
    event = sent.error("LookupError")
    assert event["transaction"] == "/ping/<token>"
    assert event["request"]["method"] == "POST"
    assert set(event["request"]) <= {"method", "url"}
    assert event["user"] == {"id": "usr_1"}
    assert event["environment"] == "production"
    assert event["release"].startswith("tokiflow@")
    assert event["tags"]["process"] == "web"
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert frames[-1]["function"] == "ping"
    assert all("vars" not in frame for frame in frames)


def test_a_log_line_with_an_exception_is_that_exception_under_its_constant_name(sent):
    event = sent.error("ConnectionError")
    assert event["logentry"]["message"] == "delivery_failed"
    assert event["extra"]["delivery"] == "dlv_1"


def test_a_log_line_without_one_is_grouped_by_its_constant_name(sent):
    assert [e for e in sent.events if e.get("logentry", {}).get("message") == "plain_error"]


def test_an_error_in_a_job_names_the_job(sent):
    event = sent.error("ArithmeticError")
    assert event["transaction"] == "tests.observability.leaky.job"
    assert event["extra"]["rq-job"]["func"] == "tests.observability.leaky.job"


def test_transactions_arrive_under_their_pattern(sent):
    names = {event["transaction"] for event in sent.events if event.get("type") == "transaction"}
    assert names == {"/ping/<token>", "tests.observability.leaky.job"}


@pytest.mark.parametrize(("environment", "rate"), [("production", 0.1), ("development", 0.0), ("test", 0.0)])
def test_one_request_in_ten_is_traced_in_production_only(environment, rate):
    script = (
        "import sentry_sdk, sys; from tests.observability.given import settings_with as s\n"
        "from tokiflow.observability import sentry\n"
        "sentry.configure(s(TOKIFLOW_ENV=sys.argv[1], SENTRY_DSN='http://public@127.0.0.1:9/1'), 'clock')\n"
        "o = sentry_sdk.get_client().options\n"
        "print(o['traces_sample_rate'], o['send_default_pii'], o['include_local_variables'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, environment], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(rate), "False", "False"]


def test_without_a_dsn_nothing_is_begun():
    sentry.configure(settings_with(TOKIFLOW_ENV="production"), "worker")
    assert not sentry_sdk.get_client().is_active()
