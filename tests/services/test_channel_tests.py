"""“Send a test”: whoever pressed the button sees what came of it, whatever the workers do meanwhile."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.factories import make_channel
from tokiflow import outside
from tokiflow.core.actors import TOKIFLOW
from tokiflow.models import Organization
from tokiflow.services import channels, claims
from tokiflow.services.claims import Claimed
from tokiflow.services.slots import Slots


def test_no_worker_takes_a_test_from_whoever_waits_for_it(app: Flask, organization: Organization) -> None:
    channel = make_channel(organization, config={"url": "http://10.0.0.1/hook"})
    taken: list[Claimed] = []

    def look() -> None:
        with app.app_context():
            taken.extend(claims.by_turns(Slots(), datetime.now(UTC))[0])

    def committed(_: Session) -> None:
        worker = threading.Thread(target=look)
        worker.start()
        worker.join()

    event.listen(Session, "after_commit", committed, once=True)
    tried = channels.test(channel.id, TOKIFLOW, outside.of(app), datetime.now(UTC))
    assert taken == []
    assert "leads to a private network" in tried.error
