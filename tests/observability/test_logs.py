"""Every line, whoever writes it, comes out of one renderer, with its context and without secrets."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from tokiflow.observability import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is global: leave it as it was found."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture
def lines(capsys):
    logs.configure("production", "INFO")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_has_its_time_in_utc_its_level_its_event_and_its_context(lines):
    structlog.contextvars.bind_contextvars(request_id="r1", organization="org_1")
    structlog.get_logger().info("incident_opened", kind="missed")
    (line,) = lines()
    assert (line["event"], line["level"], line["kind"]) == ("incident_opened", "info", "missed")
    assert (line["request_id"], line["organization"]) == ("r1", "org_1")
    written = datetime.fromisoformat(line["timestamp"])
    assert written.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)


def test_standard_logging_goes_the_same_way(lines):
    structlog.contextvars.bind_contextvars(request_id="r1")
    logging.getLogger("gunicorn.error").info("Booting worker with pid: %s", 17)
    (line,) = lines()
    assert (line["event"], line["logger"], line["request_id"]) == (
        "Booting worker with pid: 17",
        "gunicorn.error",
        "r1",
    )


def test_a_traceback_is_one_line_without_secrets(lines):
    try:
        raise ValueError("no connection to postgresql://user:hunter2@db/x for /ping/abcdefgh12345")
    except ValueError:
        structlog.get_logger().exception("sweep_failed")
        logging.getLogger("rq.worker").exception("job failed")
    shown = lines()
    assert [line["event"] for line in shown] == ["sweep_failed", "job failed"]
    for line in shown:
        assert "Traceback" in line["exception"]
        assert "hunter2" not in line["exception"]
        assert "abcdefgh12345" not in line["exception"]


def test_secrets_are_masked_in_events_values_and_arguments(lines):
    structlog.get_logger().info("GET /ping/abcdefgh12345", password="hunter2", url="/auth/link/abcdefgh12345")
    logging.getLogger("other").warning("key %s", "tfk_abcd1234_secretsecret")
    text = json.dumps(lines())
    for secret in ("abcdefgh12345", "hunter2", "secretsecret"):
        assert secret not in text


def test_a_line_that_cannot_be_json_is_written_all_the_same(lines):
    structlog.get_logger().info("odd", thing=object(), octets=b"\xff", keys={1: {2, 3}}, text="\x1b[31m\n\x00\ud800")
    (line,) = lines()
    assert line["event"] == "odd"


def test_libraries_that_say_too_much_are_quiet(lines):
    logging.getLogger("httpx").info("HTTP Request: POST https://hooks.slack.com/services/T/B/x")
    logging.getLogger("sqlalchemy.engine").info("SELECT 1")
    structlog.get_logger().debug("detail")
    assert lines() == []


def test_configuring_again_replaces_and_does_not_double(lines):
    logs.configure("production", "ERROR")
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud")
    assert [line["event"] for line in lines()] == ["loud"]


def test_in_development_a_line_is_readable_and_colour_is_for_terminals(capsys):
    logs.configure("development", "DEBUG")
    structlog.get_logger().debug("run_paired", monitor="mon_1", token="abc")
    shown = capsys.readouterr().err
    assert "run_paired" in shown
    assert "monitor=mon_1" in shown
    assert "\x1b" not in shown
    assert "abc" not in shown


def test_a_logger_made_before_the_settings_are_known_follows_them_and_stdout_stays_clean():
    script = (
        "import structlog; log = structlog.get_logger('early')\n"
        "from tokiflow.observability import logs; logs.configure('production', 'INFO'); log.info('late')\n"
        "import warnings; warnings.warn('careful')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    first, second = map(json.loads, done.stderr.splitlines())
    assert first["event"] == "late"
    assert "careful" in second["event"]


def test_gunicorn_speaks_through_the_same_renderer_and_keeps_no_access_log(tmp_path):
    (tmp_path / "small.py").write_text(
        "from tokiflow.observability import logs\n"
        "logs.configure('production', 'INFO')\n"
        "def app(environ, answer):\n"
        "    answer('200 OK', [('Content-Length', '2')])\n"
        "    return [b'OK']\n"
    )
    (tmp_path / "config.py").write_text("import small\n")
    options = ["--no-control-socket", "--bind", "127.0.0.1:0", "--chdir", str(tmp_path), "--config", "config.py"]
    logger = ["--access-logfile", "-", "--logger-class", "tokiflow.observability.gunicorn.Logger"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, *logger, "small:app"],
        env=os.environ | {"PYTHONPATH": f"{Path.cwd()}:{tmp_path}"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    shown: list[dict[str, str]] = []
    while not any("Booting worker" in line["event"] for line in shown):
        shown.append(json.loads(process.stderr.readline()))
    address = next(line["event"] for line in shown if "Listening at" in line["event"])
    port = int(re.search(r":(\d+)", address.partition("//")[2])[1])  # type: ignore[index]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping/secret-token", timeout=10) as answer:
        assert answer.read() == b"OK"
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert out == ""
    assert "secret-token" not in err
    assert all(json.loads(line)["logger"] == "gunicorn.error" for line in err.splitlines())
