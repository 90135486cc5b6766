"""Pages show output that lies in a store, and are no worse when nobody answers there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from tests.fixtures.app import Client
from tests.fixtures.stores import KEY, SECRET
from tests.house.things import make_things
from tokiflow.adapters import storage
from tokiflow.adapters.storage import S3, Folder
from tokiflow.db import db, transaction
from tokiflow.models import Organization, Ping, User

NOW = datetime.now(UTC) - timedelta(minutes=5)
OBJECT = "output/2026-11-25/a/1"
PRINTED = b"first\nlast line\n"


@pytest.fixture
def pages(app: Flask, organization: Organization) -> Iterator[dict[str, str]]:
    """The pages about a run whose output lies in the store."""
    names = make_things(organization, NOW)
    with transaction():
        values = {"body": None, "body_key": OBJECT, "body_size": len(PRINTED)}
        db.session.execute(update(Ping).where(Ping.body.is_not(None)).values(values))
    run = f"/app/monitors/{names['monitor_id']}/runs/{names['run_id']}"
    yield {"run": run, "output": f"{run}/output", "incident": f"/app/incidents/{names['incident_id']}"}
    app.extensions.pop("tokiflow.storage", None)


@pytest.fixture
def alices(client_for: Callable[[User], Client], alice: User) -> Client:
    return client_for(alice)


def test_stored_output_is_shown_and_handed_out(alices: Client, app: Flask, pages: dict[str, str], tmp_path) -> None:
    folder = Folder(tmp_path)
    folder.put(OBJECT, PRINTED)
    storage.use(app, folder)
    assert "last line" in alices.get(pages["run"]).text
    assert "last line" in alices.get(pages["incident"]).text
    answer = alices.get(pages["output"])
    assert answer.data == PRINTED
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_bucket_hands_it_out_itself_for_a_few_minutes(alices: Client, app: Flask, pages: dict[str, str]) -> None:
    storage.use(app, S3("outputs", "https://s3.example.com", "", KEY, SECRET))
    answer = alices.get(pages["output"])
    assert answer.status_code == 303
    link = answer.headers["Location"]
    assert link.startswith(f"https://s3.example.com/outputs/{OBJECT}?")
    assert "X-Amz-Expires=300" in link
    assert "attachment" in link


def test_what_had_bytes_left_out_is_handed_out_with_its_mark(
    alices: Client, app: Flask, pages: dict[str, str], bucket: S3
) -> None:
    with transaction():
        db.session.execute(update(Ping).where(Ping.body_key.is_not(None)).values(body_cut=6, body_size=1_016))
    bucket.put(OBJECT, PRINTED)
    storage.use(app, bucket)
    assert b"first\n\n\xe2\x80\xa6 1,000 bytes left out" in alices.get(pages["output"]).data


def test_a_store_that_is_away_costs_its_card_alone(alices: Client, app: Flask, pages: dict[str, str]) -> None:
    storage.use(app, None)
    page = alices.get(pages["run"])
    assert page.status_code == 200
    assert "The output can’t be fetched right now" in page.text
    assert alices.get(pages["incident"]).status_code == 200
    answer = alices.get(pages["output"])
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"


def test_what_is_not_kept_any_more_is_said(alices: Client, app: Flask, pages: dict[str, str], tmp_path) -> None:
    storage.use(app, Folder(tmp_path))
    assert "nothing of it is kept any more" in alices.get(pages["run"]).text
    assert alices.get(pages["output"]).status_code == 404
