"""Many rows in one statement: what goes in comes out, whatever a stranger wrote into it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from tests.factories import make_monitor
from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.models import Alert, Incident, Monitor, Organization
from tokiflow.services import sets

NOW = datetime(2026, 11, 20, 2, 0, 0, 123456, tzinfo=UTC)
HOSTILE = "'; drop table monitors; -- %s :rows {} \\ \" é 火 \u2028"


def alert(organization: Organization, **values: object) -> dict[str, object]:
    usual = {"id": ids.new(), "organization_id": organization.id, "kind": "test", "at": NOW, "content": {}}
    return {**usual, **values}


def test_rows_come_out_as_they_went_in(organization: Organization) -> None:
    rows = [alert(organization, content={"summary": HOSTILE, "tags": ["a", "b"], "none": None}) for _ in range(3)]
    with transaction():
        sets.insert(Alert, rows)
    found = db.session.execute(select(Alert).order_by(Alert.id)).scalars().all()
    assert [(one.id, one.at, one.content) for one in found] == [(one["id"], NOW, one["content"]) for one in rows]
    assert all(one.decision == {} and one.created_at for one in found), "what is not named has its default"


def test_an_object_is_written_by_the_names_of_its_columns(organization: Organization) -> None:
    monitor = make_monitor(organization)
    made = Incident(
        id=ids.new(), organization_id=organization.id, monitor_id=monitor.id, class_="outage", kind="missed",
        opened_at=NOW, last_opened_at=NOW, summary=HOSTILE,
    )  # fmt: skip
    with transaction():
        sets.add([made])
    found = db.session.get_one(Incident, made.id)
    assert (found.class_, found.status, found.opened_at, found.summary) == ("outage", "open", NOW, HOSTILE)


def test_each_row_gets_its_own_values_and_keeps_what_is_not_named(organization: Organization) -> None:
    first, second, other = (make_monitor(organization, name) for name in ("first", "second", "other"))
    with transaction():
        sets.update(
            Monitor,
            [
                {"id": first.id, "status": "down", "tags": [HOSTILE], "watch_at": NOW},
                {"id": second.id, "status": "paused", "tags": [], "watch_at": None},
            ],
        )
    for one in (first, second, other):
        db.session.refresh(one)
    assert (first.status, first.tags, first.watch_at, first.name) == ("down", [HOSTILE], NOW, "first")
    assert (second.status, second.tags, second.watch_at) == ("paused", [], None)
    assert other.status != "down"


def test_nothing_is_written_for_nothing() -> None:
    sets.insert(Alert, [])
    sets.add([])
    sets.update(Monitor, [])
