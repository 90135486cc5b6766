"""Database, spool, queue, clock and worker told apart; quickly, whatever is away."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.api.conftest import NOW
from tokiflow.adapters.spool import SpoolFolder
from tokiflow.db import db, transaction
from tokiflow.models import BlindSpell
from tokiflow.services import heartbeats


@pytest.fixture
def _all_alive(app):
    for kind in ("clock", "worker"):
        heartbeats.beat(kind, datetime.now(UTC), "here")


@pytest.fixture
def silent_port():
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def with_settings(app, monkeypatch, **changed: str | Path) -> None:
    settings = app.extensions["tokiflow.settings"]
    monkeypatch.setitem(app.extensions, "tokiflow.settings", settings.model_copy(update=changed))


@pytest.mark.usefixtures("_all_alive")
def test_all_is_well(client):
    response = client.get("/api/health")
    assert response.status_code == 200
    body = response.json
    assert body["status"] == "ok"
    assert {name: body[name]["status"] for name in ("database", "spool", "queue", "clock", "worker")} == dict.fromkeys(
        ("database", "spool", "queue", "clock", "worker"), "ok"
    )
    assert body["blind_since"] is None
    assert 0 <= body["clock"]["age_seconds"] < 15


@pytest.mark.parametrize("silent", ["clock", "worker"])
def test_a_silent_process_is_named(client, silent):
    for kind in ("clock", "worker"):
        heartbeats.beat(kind, datetime.now(UTC) - timedelta(minutes=5 if kind == silent else 0), "here")
    response = client.get("/api/health")
    assert (response.status_code, response.json["status"]) == (200, "degraded")
    assert {name for name in ("database", "queue", "clock", "worker") if response.json[name]["status"] != "ok"} == {
        silent
    }
    assert response.json[silent]["age_seconds"] == pytest.approx(300, abs=5)


def test_a_process_that_never_was_is_down(client):
    body = client.get("/api/health").json
    assert body["clock"] == body["worker"] == {"status": "down", "age_seconds": None}


@pytest.mark.usefixtures("_all_alive")
def test_blindness_is_told(client):
    with transaction():
        db.session.add(BlindSpell(started_at=NOW))
    body = client.get("/api/health").json
    assert body["status"] == "degraded"
    assert body["blind_since"].endswith("Z")


@pytest.mark.usefixtures("_all_alive")
def test_without_redis_it_is_degraded(app, client, monkeypatch, silent_port):
    for port in (1, silent_port):
        with_settings(app, monkeypatch, redis_url=f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()
        response = client.get("/api/health")
        assert time.monotonic() - began < 5
        assert (response.status_code, response.json["status"], response.json["queue"]["status"]) == (
            200,
            "degraded",
            "down",
        )
        assert response.json["database"]["status"] == "ok"


def test_without_the_database_pings_wait_on_the_disk(app, client, monkeypatch, silent_port, tmp_path):
    for port in (1, silent_port):
        away = f"postgresql+psycopg://x@127.0.0.1:{port}/x"
        with_settings(app, monkeypatch, database_url=away, spool=tmp_path / "spool")
        began = time.monotonic()
        response = client.get("/api/health")
        assert time.monotonic() - began < 6
        assert (response.status_code, response.json["status"]) == (200, "spooling")
        assert response.json["database"]["status"] == "down"
        assert response.json["spool"] == {"status": "ok", "waiting_bytes": 0}
        assert response.json["clock"] == {"status": "unknown", "age_seconds": None}
        assert response.json["queue"]["status"] == "ok"


@pytest.mark.usefixtures("_all_alive")
def test_it_is_spooling_until_all_of_it_is_in_the_database(app, client, monkeypatch, tmp_path):
    with_settings(app, monkeypatch, spool=tmp_path)
    file = SpoolFolder(tmp_path, "a key").new()
    file.append(b"pings")
    response = client.get("/api/health")
    assert (response.status_code, response.json["status"]) == (200, "spooling")
    assert response.json["spool"]["waiting_bytes"] == file.size
    file.remove()
    assert client.get("/api/health").json["status"] == "ok"


def test_without_database_and_disk_it_is_down(app, client, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("")
    away = "postgresql+psycopg://x@127.0.0.1:1/x"
    with_settings(app, monkeypatch, database_url=away, spool=tmp_path / "a file" / "spool")
    response = client.get("/api/health")
    assert (response.status_code, response.json["status"]) == (503, "down")
    assert response.json["spool"] == {"status": "down", "waiting_bytes": 0}


@pytest.mark.usefixtures("_all_alive")
def test_a_disk_that_would_take_nothing_needs_care_before_it_is_needed(app, client, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("")
    with_settings(app, monkeypatch, spool=tmp_path / "a file" / "spool")
    response = client.get("/api/health")
    assert (response.status_code, response.json["status"]) == (200, "degraded")


def test_it_takes_no_parameters_and_no_key(client):
    assert client.get("/api/health", headers={"Authorization": "Bearer nonsense"}).status_code == 200
