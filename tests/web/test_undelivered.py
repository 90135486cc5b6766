"""What was given up: listed by channel, and sent again by whom it may be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, select

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.house.things import fail
from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.models import Alert, Attempt, AuditEvent, Channel, Delivery, Incident, Organization, User

ClientFor = Callable[[User], Client]
PAGE = "/app/channels/undelivered"
AGAIN = f"{PAGE}/send-again"
GONE = "the receiver answered 410: the address is gone"
HTMX = {"HX-Request": "true", "HX-Target": "div#undelivered"}


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def pager(organization: Organization) -> Channel:
    return make_channel(organization, name="Pager")


@pytest.fixture
def incident(organization: Organization) -> Incident:
    monitor = make_monitor(organization, "Nightly backup")
    fail(monitor, datetime.now(UTC))
    return db.session.execute(select(Incident)).scalar_one()


def lose(channel: Channel, incident: Incident | None, hours: float = 1, **values: object) -> Delivery:
    """A delivery to `channel` that was promised so many hours ago and given up; without an incident, a test."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    alert = save(
        Alert(
            organization_id=channel.organization_id, incident_id=incident.id if incident else None, at=at,
            kind="opened" if incident else "test", content={"monitor_name": "Nightly backup"}, created_at=at,
        )
    )  # fmt: skip
    usual = {"status": "dead", "attempts": 3, "next_attempt_at": at, "last_error": GONE, "created_at": at}
    delivery = save(
        Delivery(
            organization_id=channel.organization_id, alert_id=alert.id, channel_id=channel.id,
            incident_id=alert.incident_id, **{**usual, **values},
        )
    )  # fmt: skip
    for n in (1, 2, 3):
        save(Attempt(delivery_id=delivery.id, n=n, at=at, duration_ms=120, ok=False, status_code=410, error=GONE))
    return delivery


def status(delivery: Delivery) -> str:
    return db.session.get_one(Delivery, delivery.id, populate_existing=True).status


def named(delivery: Delivery) -> str:
    return ids.public("dlv", delivery.id)


# The page.


def test_when_all_has_arrived_the_page_is_calm(vera: User, pager: Channel, client_for: ClientFor) -> None:
    lose(pager, None)
    page = client_for(vera).get(PAGE).text
    assert "Everything that was promised has arrived" in page
    assert "Send" not in page.partition('id="undelivered"')[2], "a test that failed is nobody's loss"


def test_what_was_given_up_is_listed_by_channel_with_the_last_answer(
    bob: User, pager: Channel, incident: Incident, organization: Organization, client_for: ClientFor
) -> None:
    lose(pager, incident)
    ops = make_channel(organization, name="#ops")
    for _ in range(7):
        lose(ops, incident)
    page = client_for(bob).get(PAGE).text
    for said in (
        "Eight messages never arrived", "Pager", "#ops", "7 messages", "Nightly backup: trouble began", "HTTP 410",
        f"Last answer: {GONE}", "Send all 7 again", "See all 7",
    ):  # fmt: skip
        assert said in page, said


def test_filters_are_in_the_address(bob: User, pager: Channel, incident: Incident, client_for: ClientFor) -> None:
    lose(pager, incident, hours=50)
    browser, channel = client_for(bob), ids.public("chn", pager.id)
    assert "Nothing undelivered here" in browser.get(f"{PAGE}?period=day").text
    assert "Nightly backup" in browser.get(f"{PAGE}?period=week&channel={channel}").text
    assert "Nightly backup" in browser.get(f"{PAGE}?period=nonsense&channel=chn_nonsense").text
    assert browser.get(f"{PAGE}?channel={channel}&after=nonsense").status_code == 400


def test_ten_thousand_rows_are_paged_and_sent_again_at_once(
    bob: User, pager: Channel, incident: Incident, client_for: ClientFor
) -> None:
    first = lose(pager, incident, hours=2)
    with transaction():
        rows = [
            {"id": ids.new(), "organization_id": pager.organization_id, "alert_id": alert_id, "channel_id": pager.id,
             "status": "dead", "attempts": 1, "next_attempt_at": first.created_at, "last_error": GONE}
            for alert_id in db.session.execute(
                insert(Alert).returning(Alert.id),
                [{"id": ids.new(), "organization_id": pager.organization_id, "kind": "opened", "at": first.created_at,
                  "content": {}, "incident_id": incident.id} for _ in range(9_999)],
            ).scalars()
        ]  # fmt: skip
        db.session.execute(insert(Delivery), rows)
    browser, url = client_for(bob), f"{PAGE}?channel={ids.public('chn', pager.id)}"
    page = browser.get(url).text
    assert "10,000 messages never arrived" in page
    assert "50 of 10,000 messages" in page
    older = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = browser.get(older).text
    assert seen(page).isdisjoint(seen(second))
    assert len(seen(second)) == 50
    newer = second.partition('rel="prev" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert seen(browser.get(newer).text) == seen(page)
    with statements() as sent:
        assert browser.post(AGAIN, data={"whole": ids.public("chn", pager.id)}).status_code == 303
    assert len(sent) < 15, "\n".join(sent)
    assert "Everything that was promised" in browser.get(PAGE).text


def seen(page: str) -> set[str]:
    return {piece.partition('"')[0] for piece in page.split('name="delivery" value="')[1:]}


# Sending again.


def test_one_is_sent_again_with_all_its_tries_before_it(
    mia: User, pager: Channel, incident: Incident, client_for: ClientFor
) -> None:
    one, other = lose(pager, incident), lose(pager, incident)
    answer = client_for(mia).post(f"{AGAIN}?period=week", data={"only": named(one), "delivery": named(other)})
    assert (answer.status_code, answer.location) == (303, f"{PAGE}?period=week")
    assert (status(one), status(other)) == ("pending", "dead")
    assert one.attempts == 0
    event = db.session.execute(select(AuditEvent).where(AuditEvent.what == "delivery.sent_again")).scalar_one()
    assert (event.object_id, event.by) == (one.id, "Mia")


def test_what_is_ticked_is_sent_again(mia: User, pager: Channel, incident: Incident, client_for: ClientFor) -> None:
    lost = [lose(pager, incident) for _ in range(3)]
    answer = client_for(mia).post(AGAIN, data={"delivery": [named(one) for one in lost[:2]]}, headers=HTMX)
    assert answer.status_code == 200
    assert "2 messages are on the way again." in answer.headers["HX-Trigger"]
    assert named(lost[2]) in answer.text
    assert [status(one) for one in lost] == ["pending", "pending", "dead"]


def test_all_of_a_channel_within_the_period(
    mia: User, pager: Channel, incident: Incident, client_for: ClientFor
) -> None:
    old, young = lose(pager, incident, hours=50), lose(pager, incident)
    browser, whole = client_for(mia), {"whole": ids.public("chn", pager.id)}
    assert browser.post(f"{AGAIN}?period=day", data=whole).status_code == 303
    assert (status(old), status(young)) == ("dead", "pending")


def test_nothing_ticked_and_too_late_are_said(
    mia: User, pager: Channel, incident: Incident, client_for: ClientFor
) -> None:
    sent, browser = lose(pager, incident, status="sent"), client_for(mia)
    refused = browser.post(AGAIN)
    assert (refused.status_code, "Tick what is to be sent again" in refused.text) == (422, True)
    late = browser.post(AGAIN, data={"only": named(sent)})
    assert (late.status_code, "Only a delivery that was given up" in late.text) == (409, True)
    assert browser.post(AGAIN, data={"only": "dlv_nonsense"}).status_code == 404


def test_a_viewer_reads_and_can_not_send(vera: User, pager: Channel, incident: Incident, client_for: ClientFor) -> None:
    lost, browser = lose(pager, incident), client_for(vera)
    page = browser.get(PAGE).text
    assert GONE in page
    assert "Send again" not in page
    assert browser.post(AGAIN, data={"only": named(lost)}).status_code == 403
    assert status(lost) == "dead"


def test_what_others_lost_is_not_there(
    charlie: User, other_organization: Organization, pager: Channel, incident: Incident, client_for: ClientFor
) -> None:
    lost, browser = lose(pager, incident), client_for(charlie)
    assert "Everything that was promised" in browser.get(PAGE).text
    assert browser.post(AGAIN, data={"only": named(lost)}).status_code == 409
    assert browser.post(AGAIN, data={"whole": ids.public("chn", pager.id)}).status_code == 409
    assert status(lost) == "dead"


def test_the_list_of_channels_leads_here(vera: User, pager: Channel, incident: Incident, client_for: ClientFor) -> None:
    browser = client_for(vera)
    assert "never arrived" not in browser.get("/app/channels").text
    lose(pager, incident)
    assert "1 message never arrived" in browser.get("/app/channels").text
