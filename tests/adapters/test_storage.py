"""Stores: what goes in comes out, from a bucket and from a folder alike."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.adapters.conftest import listening
from tests.fixtures.stores import KEY, SECRET
from tokiflow import settings
from tokiflow.adapters import storage
from tokiflow.adapters.storage import S3, Folder, Storage
from tokiflow.db import transaction
from tokiflow.errors import StorageError

DAY = "output/2026-11-25/"
EVERY_BYTE = bytes(range(256)) * 300


def test_what_goes_in_comes_out(store: Storage) -> None:
    for data in (EVERY_BYTE, b"", b"\r\n\x00"):
        store.put(f"{DAY}a/1", data)
        assert store.get(f"{DAY}a/1") == data, "the latest, if it was put before"


def test_what_is_missing_is_told_apart(store: Storage) -> None:
    with pytest.raises(StorageError) as raised:
        store.get(f"{DAY}a/1")
    assert raised.value.missing


def test_objects_go_one_by_one_and_by_the_day(store: Storage) -> None:
    keys = [f"{DAY}a/1", f"{DAY}a/2", f"{DAY}b/1", "output/2026-11-26/a/3"]
    for key in keys:
        store.put(key, b"x")
    assert store.folders("output/") == ["2026-11-25", "2026-11-26"]
    store.delete([keys[0], keys[0], f"{DAY}never/there"])
    store.delete_below(DAY)
    store.delete_below(DAY)
    assert store.folders("output/") == ["2026-11-26"]
    assert store.get(keys[3]) == b"x"
    store.delete([])


def test_a_day_may_hold_more_than_one_answer_lists(bucket: S3) -> None:
    for n in range(1_003):
        bucket._client.put_object(Bucket=bucket._bucket, Key=f"{DAY}a/{n}", Body=b"")
    bucket.delete_below(DAY)
    assert bucket.folders("output/") == []


@pytest.mark.parametrize(
    "key", ["", "../secret", "a/../../secret", "/etc/passwd", "a/.hidden", "a//b", "ä", "a\x00", "a\n"]
)
def test_no_key_leads_anywhere_else(store: Storage, key: str) -> None:
    for use in (store.get, store.delete_below, store.folders, lambda key: store.delete([key])):
        with pytest.raises(ValueError, match="not a key"):
            use(key)
    with pytest.raises(ValueError, match="not a key"):
        store.put(key, b"")


def test_no_store_is_waited_for_inside_a_transaction(app: Flask, store: Storage) -> None:
    with transaction(), pytest.raises(RuntimeError):
        store.get("a")


# --- the folder -------------------------------------------------------------------------------------------------


def test_an_object_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path / "output")
    folder.put("a/1", b"old")
    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(StorageError) as raised:
        folder.put("a/1", b"new")
    assert not raised.value.missing
    assert folder.get("a/1") == b"old"
    assert [one.name for one in (tmp_path / "output" / "a").iterdir()] == ["1"], "and nothing half done is left"


def _fail(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_nobody_else_on_this_machine_may_read_it(tmp_path: Path) -> None:
    Folder(tmp_path / "output").put("a/1", b"secret")
    assert [(tmp_path / "output" / part).stat().st_mode & 0o077 for part in ("", "a", "a/1")] == [0, 0, 0]


# --- the bucket -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use", [lambda s: s.get("a"), lambda s: s.put("a", b""), lambda s: s.delete(["a"]), lambda s: s.folders("a/")]
)
def test_a_bucket_that_is_not_there_is_no_missing_object(s3_server: str, use: Callable[[S3], Any]) -> None:
    with pytest.raises(StorageError) as raised:
        use(S3("nobodys-bucket", s3_server, "", KEY, SECRET))
    assert not raised.value.missing
    assert SECRET not in raised.value.message


def test_a_server_that_is_away_is_a_temporary_matter() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(StorageError) as raised:
        S3("outputs", f"http://127.0.0.1:{port}", "", KEY, SECRET).get("a")
    assert not raised.value.missing


def test_a_server_that_hangs_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "ANSWER_SECONDS", 0.2)
    with listening(lambda connection: connection.recv(1)) as port, pytest.raises(StorageError):
        S3("outputs", f"http://127.0.0.1:{port}", "", KEY, SECRET).get("a")


def test_a_link_saves_a_file_and_shows_nothing(bucket: S3) -> None:
    bucket.put("a/1", b"<script>")
    assert bucket.link("a/1", 60, "run.txt") is None, "a page that came over TLS may not save from plain HTTP"
    over_tls = S3(bucket._bucket, bucket._endpoint.replace("http:", "https:"), "", KEY, SECRET)
    link = over_tls.link("a/1", 60, "run.txt")
    assert link is not None
    assert "X-Amz-Expires=60" in link
    assert SECRET not in link
    with urllib.request.urlopen(link.replace("https:", "http:", 1)) as answer:
        assert answer.read() == b"<script>"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="run.txt"'
        assert answer.headers["Content-Type"] == "application/octet-stream"


# --- which one --------------------------------------------------------------------------------------------------

BASICS = {
    "SECRET_KEY": "fJ3kQz8LwXv1NpYb7TgRm5HsCd0UeAo2",
    "DATABASE_URL": "postgresql://u:p@h/d",
    "REDIS_URL": "redis://h",
}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({}, type(None)),
        ({"TOKIFLOW_DATA": "/data"}, Folder),
        ({"S3_BUCKET": "outputs"}, S3),
        ({"S3_BUCKET": "outputs", "TOKIFLOW_DATA": "/data"}, S3),
    ],
)
def test_settings_choose_the_store(said: dict[str, str], kind: type) -> None:
    assert type(storage.storage_from(settings.load(BASICS | said))) is kind


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ({"S3_ACCESS_KEY_ID": "key"}, "S3_SECRET_ACCESS_KEY"),
        ({"S3_ENDPOINT_URL": "minio:9000"}, "S3_ENDPOINT_URL"),
        ({"TOKIFLOW_RETENTION_DAYS": "30", "TOKIFLOW_OUTPUT_RETENTION_DAYS": "31"}, "TOKIFLOW_OUTPUT_RETENTION_DAYS"),
        ({"TOKIFLOW_RETENTION_DAYS": "0"}, "TOKIFLOW_RETENTION_DAYS"),
        ({"TOKIFLOW_OUTPUT_LIMIT": "1048577"}, "TOKIFLOW_OUTPUT_LIMIT"),
    ],
)
def test_settings_that_make_no_sense_are_refused(said: dict[str, str], mistake: str) -> None:
    with pytest.raises(settings.SettingsError, match=mistake):
        settings.load(BASICS | said)


def test_output_is_kept_no_longer_than_its_ping() -> None:
    assert settings.load(BASICS).output_kept_days == 90
    assert settings.load(BASICS | {"TOKIFLOW_RETENTION_DAYS": "30"}).output_kept_days == 30


def test_nobody_pays_for_boto3_before_the_first_object() -> None:
    code = (
        "import sys; from tokiflow.adapters.storage import S3; S3('outputs');"
        "sys.exit(bool({'boto3', 'botocore'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
