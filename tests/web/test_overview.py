"""The overview: what is wrong comes first, and an empty organization is shown how it works."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.app import Client
from tokiflow.adapters.spool import SpoolFolder
from tokiflow.core import histogram, ids
from tokiflow.core.signals import Ping, Signal
from tokiflow.core.status import Status
from tokiflow.db import db
from tokiflow.models import Channel, Delivery, Incident, Monitor, Organization, Rollup, RollupMark, User
from tokiflow.queries import standing
from tokiflow.services import heartbeats, overdue, pings
from tokiflow.services.pings import Incoming
from tokiflow.settings import Settings
from tokiflow.web import filters, overview

ClientFor = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def alices(client_for: ClientFor, alice: User) -> Client:
    return client_for(alice)


def make_incident(monitor: Monitor, **values: Any) -> Incident:
    at = datetime.now(UTC) - timedelta(hours=2)
    usual = {
        "class_": "outage", "kind": "missed", "status": "open", "opened_at": at, "last_opened_at": at,
        "summary": "should have pinged by 02:05 and was silent",
    }  # fmt: skip
    return save(Incident(organization_id=monitor.organization_id, monitor_id=monitor.id, **{**usual, **values}))


def counts(**given: int) -> dict[Status, int]:
    return {status: given.get(status.value, 0) for status in Status}


@pytest.mark.parametrize(
    ("given", "open_count", "acknowledged", "said"),
    [
        (counts(down=2, up=139, late=1), 2, 0, "Two jobs need you"),
        (counts(down=1), 1, 0, "One job needs you"),
        (counts(down=1), 1, 1, "One job is down, and somebody is on it"),
        (counts(down=2), 2, 2, "Two jobs are down, and somebody is on it"),
        (counts(down=30), 30, 3, "30 jobs need you"),
        (counts(late=1, up=3), 0, 0, "One job is late"),
        (counts(up=142), 0, 0, "All 142 jobs are fine"),
        (counts(up=1), 0, 0, "Your job is fine"),
        (counts(up=1, paused=1), 0, 0, "Nothing is wrong"),
        (counts(new=2), 0, 0, "Waiting for a first ping"),
        (counts(paused=2), 0, 0, "Everything is paused"),
        (counts(), 0, 0, "Welcome to Tokiflow"),
    ],
)
def test_the_first_line_says_what_is_wrong(
    given: dict[Status, int], open_count: int, acknowledged: int, said: str
) -> None:
    assert overview.headline(given, open_count, acknowledged) == said


def test_the_second_line_says_how_the_rest_is(app: Flask) -> None:
    now = datetime.now(UTC)
    with app.test_request_context():
        filters.look(now, UTC)
        said = overview.lede(counts(down=2, late=1, up=139, paused=1), 2, now - timedelta(minutes=4))
        assert said == "One more is late. The other 139 are fine. One is paused. The last alert left 4 min ago."
        assert overview.lede(counts(up=3), 0, None) == "No alert has ever left."
        assert overview.lede(counts(), 0, None) == ""


def test_an_incident_says_what_since_when_who_knows_and_offers_a_button(
    alices: Client, organization: Organization
) -> None:
    make_channel(organization)
    incident = make_incident(make_monitor(organization, "Nightly backup", status="down"))
    body = alices.get("/app").text
    assert "One job needs you" in body
    assert "has been silent for 2 h" in body
    assert "nobody has acknowledged" in body
    assert f'action="/app/incidents/{ids.public("inc", incident.id)}/acknowledge"' in body
    assert alices.post(f"/app/incidents/{ids.public('inc', incident.id)}/acknowledge").status_code == 303
    after = alices.get("/app").text
    assert "acknowledged by Alice" in after
    assert ">Resolve<" in after


def test_who_runs_tokiflow_is_told_that_pings_wait_on_the_disk(
    app: Flask, alices: Client, client_for: ClientFor, mia: User
) -> None:
    for kind in ("clock", "worker"):
        heartbeats.beat(kind)
    settings: Settings = app.extensions["tokiflow.settings"]
    file = SpoolFolder(settings.spool, settings.secret_key).new()
    file.append(b"pings")
    assert "wait on this machine’s disk" in alices.get("/app").text
    assert "wait on this machine" not in client_for(mia).get("/app").text
    file.remove()
    assert "wait on this machine" not in alices.get("/app").text


def test_nobody_can_be_told_without_a_channel(alices: Client, organization: Organization) -> None:
    make_incident(make_monitor(organization, status="down"))
    assert "no channel is set up" in alices.get("/app").text


def test_a_viewer_sees_the_trouble_but_no_buttons(
    client_for: ClientFor, vera: User, charlie: User, organization: Organization
) -> None:
    make_incident(make_monitor(organization, "Nightly backup", status="down"))
    body = client_for(vera).get("/app").text
    assert "Nightly backup" in body
    assert "Acknowledge" not in body.partition("help-dialog")[0]
    assert "New monitor" not in body.partition("help-dialog")[0]
    assert "Nightly backup" not in client_for(charlie).get("/app").text


def test_htmx_gets_the_part_that_follows_the_server(alices: Client, organization: Organization) -> None:
    make_monitor(organization)
    part = alices.get("/app", headers={"HX-Request": "true"}).text
    assert "<!doctype" not in part
    assert 'id="incidents"' in part
    assert 'id="state"' in part


# the tour


def step(client: Client) -> int:
    found = re.search(r'aria-current="step">\s*<svg[^>]*aria-label="Step (\d)"', client.get("/app").text)
    return int(found[1]) if found else 0


def send_ping(monitor: Monitor, at: datetime) -> None:
    pings.record([Incoming(monitor.token, Ping(Signal.SUCCESS, at))], at)


def test_the_tour_is_the_real_thing_from_the_first_monitor_to_the_recovery(
    alices: Client, alice: User, organization: Organization
) -> None:
    assert step(alices) == 1
    assert alices.post("/app/tour", data={"name": "My first job"}).status_code == 303
    monitor = db.session.execute(select(Monitor)).scalar_one()
    channel = db.session.execute(select(Channel)).scalar_one()
    assert (monitor.schedule_seconds, monitor.grace_seconds) == (60, 15)
    assert channel.config == {"to": [alice.email]}
    assert step(alices) == 2
    assert f"/ping/{monitor.token}" in alices.get("/app").text

    first = datetime.now(UTC) - timedelta(seconds=70)
    send_ping(monitor, first)
    assert step(alices) == 3
    assert "Late. Down in" in alices.get("/app").text

    overdue.sweep(first + timedelta(seconds=76))
    assert step(alices) == 4
    delivery = db.session.execute(select(Delivery)).scalar_one()
    delivery.status, delivery.sent_at = "sent", first + timedelta(seconds=77)
    db.session.commit()
    assert step(alices) == 5
    assert "/app/incidents/inc_" in alices.get("/app").text
    assert "/dev/outbox" in alices.get("/app").text

    send_ping(monitor, datetime.now(UTC))
    assert "That is all there is to it" in alices.get("/app").text
    alices.post("/app/tour/dismiss")
    assert "That is all there is to it" not in alices.get("/app").text


def test_the_tour_of_a_monitor_that_was_there_tells_of_its_own_schedule(
    alices: Client, organization: Organization
) -> None:
    monitor = make_monitor(organization, "Nightly backup")
    send_ping(monitor, datetime.now(UTC))
    body = text(alices.get("/app").text)
    assert "Every hour, with 5 m of grace." in body
    assert "it is late; 5 m later it is down" in body


def test_a_tour_without_a_good_name_says_so_and_makes_nothing(alices: Client) -> None:
    answer = alices.post("/app/tour", data={"name": "  "})
    assert answer.status_code == 422
    assert "The name is empty" in answer.text
    assert db.session.execute(select(Monitor)).first() is None
    assert db.session.execute(select(Channel)).first() is None


def test_the_tour_can_be_skipped(alices: Client) -> None:
    alices.post("/app/tour/dismiss")
    body = alices.get("/app").text
    assert "No monitors yet" in body
    assert "/app/monitors/new" in body


def test_the_tour_makes_no_second_channel_and_none_for_who_may_not(
    client_for: ClientFor, alice: User, mia: User, organization: Organization
) -> None:
    client_for(mia).post("/app/tour", data={"name": "One"})
    assert db.session.execute(select(Channel)).first() is None
    make_channel(organization)
    client_for(alice).post("/app/tour", data={"name": "Two"})
    assert len(db.session.execute(select(Channel)).all()) == 1


def test_who_may_not_edit_is_not_led_around(client_for: ClientFor, vera: User) -> None:
    body = client_for(vera).get("/app").text
    assert "two minutes" not in body
    assert "No monitors yet" in body
    assert client_for(vera).post("/app/tour", data={"name": "x"}).status_code == 403


def test_an_organization_with_work_is_not_led_around(alices: Client, organization: Organization) -> None:
    make_monitor(organization, "One")
    make_monitor(organization, "Two")
    assert "two minutes" not in alices.get("/app").text


# what is said, and in which order


def rolled(monitor: Monitor, days: Any, ms: int = 60_000, succeeded: int = 20, failed: int = 0) -> None:
    """Days with so many runs each, as roll-ups have them."""
    for day in days:
        at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=day)
        save(
            Rollup(
                monitor_id=monitor.id, grain="day", at=at, succeeded=succeeded, failed=failed, timed=succeeded,
                total_ms=ms * succeeded, squares=float(ms) ** 2 * succeeded, min_ms=ms, max_ms=ms,
                histogram={str(histogram.bucket(ms)): succeeded},
            )
        )  # fmt: skip


def up(organization: Organization, name: str, **values: Any) -> Monitor:
    now = datetime.now(UTC)
    usual = {"status": "up", "last_ping_at": now, "due_at": now + timedelta(hours=1), "created_at": now - 90 * DAY}
    return make_monitor(organization, name, **{**usual, **values})


DAY = timedelta(days=1)
LATELY, BEFORE = range(1, 7), range(7, 14)


@pytest.fixture
def rolled_up(app: Flask) -> None:
    """All of the past is rolled up, up to this hour."""
    now = datetime.now(UTC)
    save(RollupMark(grain="day", until=now.replace(hour=0, minute=0, second=0, microsecond=0)))
    save(RollupMark(grain="hour", until=now.replace(minute=0, second=0, microsecond=0)))


def text(body: str) -> str:
    """The page without its marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))


@pytest.mark.usefixtures("rolled_up")
def test_what_is_broken_comes_before_what_gets_worse_before_health(alices: Client, organization: Organization) -> None:
    make_incident(up(organization, "Broken", status="down"))
    slow = up(organization, "Nightly backup")
    rolled(slow, BEFORE, ms=22 * 60_000)
    rolled(slow, LATELY, ms=34 * 60_000)
    body = text(alices.get("/app").text)
    assert "takes 34 m lately; it took 22 m" in body
    order = [body.index(words) for words in ("One job needs you", "Getting worse", "Health", "Noisiest")]
    assert order == sorted(order)


@pytest.mark.usefixtures("rolled_up")
def test_a_success_rate_that_fell_is_told_with_both_numbers(alices: Client, organization: Organization) -> None:
    one = up(organization, "Invoices")
    rolled(one, BEFORE)
    rolled(one, LATELY, succeeded=15, failed=5)
    fine = up(organization, "Fine")
    rolled(fine, [*BEFORE, *LATELY])
    body = text(alices.get("/app").text)
    assert "Invoices succeeded in 75 % of its runs lately; it was 100 %" in body
    assert "Fine takes" not in body


def test_a_late_job_says_when_it_becomes_an_incident(alices: Client, organization: Organization) -> None:
    now = datetime.now(UTC)
    up(organization, "Invoices", due_at=now - timedelta(minutes=12), deadline_at=now + timedelta(minutes=5))
    body = text(alices.get("/app").text)
    assert re.search(r"Invoices is 12 m late; it becomes an incident (at|tomorrow) \d\d:\d\d", body)


def test_a_performance_incident_gets_worse_and_is_not_broken(alices: Client, organization: Organization) -> None:
    one = up(organization, "Invoices")
    make_incident(one, class_="performance", kind="degraded", summary="the last 8 runs were slower than usual")
    body = text(alices.get("/app").text)
    assert "One job does not run as usual" in body
    assert "Invoices has become slower: the last 8 runs were slower than usual" in body


@pytest.mark.usefixtures("rolled_up")
def test_health_is_explained_by_its_parts_and_names_the_lowest(alices: Client, organization: Organization) -> None:
    for n in range(12):
        rolled(up(organization, f"Fine {n}"), LATELY)
    rolled(up(organization, "Weak"), LATELY, succeeded=10, failed=10)
    body = text(alices.get("/app").text)
    # Success is 96.2 % on average, all else whole: 40 + 28.8 + 30.
    assert "99 of 100" in body
    assert "× 0.4" in body
    assert "50 % of its runs did not succeed" in body
    assert body.index("Weak") < body.index("Fine 0")


@pytest.mark.usefixtures("rolled_up")
def test_nobody_is_the_lowest_of_many_where_all_are_whole(alices: Client, organization: Organization) -> None:
    for n in range(12):
        rolled(up(organization, f"Fine {n}"), [*BEFORE, *LATELY])
    body = text(alices.get("/app").text)
    assert "100 of 100" in body
    assert "nothing amiss" not in body


def test_noise_comes_with_a_hint(alices: Client, organization: Organization) -> None:
    one, at = up(organization, "Noisy"), datetime.now(UTC) - timedelta(days=2)
    for n in range(4):
        began = at + timedelta(hours=n)
        make_incident(
            one, opened_at=began, last_opened_at=began, resolved_at=began + timedelta(minutes=5), status="resolved"
        )
    body = alices.get("/app").text
    assert "4 of 4 were over within 15 m. A longer grace than 5 m would keep them quiet." in text(body)
    assert f"/app/monitors/{ids.public('mon', one.id)}/edit" in body
    assert "4 incidents in 30 days, 4 critical" in text(body)
    assert "A critical one is resolved after 5 m" in text(body)


def test_nothing_to_compare_is_said(alices: Client, organization: Organization) -> None:
    make_monitor(organization, "One")
    make_monitor(organization, "Two")
    assert "Nothing to compare yet" in alices.get("/app").text


def test_all_well_is_calm(alices: Client, organization: Organization) -> None:
    up(organization, "One")
    up(organization, "Two")
    body = text(alices.get("/app").text)
    assert "All 2 jobs are fine" in body
    assert "Nothing is late, slower or failing more often than before." in body
    assert "No monitor had three incidents or more." in body


@pytest.mark.usefixtures("rolled_up")
def test_the_figures_are_the_same_from_runs_and_from_roll_ups(organization: Organization) -> None:
    now = datetime.now(UTC)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - 6 * DAY
    one = up(organization, "Rolled")
    rolled(one, [2], ms=10_000, succeeded=2)
    raw = up(organization, "Raw")
    for n in range(2):
        at = now - timedelta(seconds=n + 1)
        send = Ping(Signal.SUCCESS, at, duration_ms=10_000)
        pings.record([Incoming(raw.token, send)], at)
    found = {
        each.name: each
        for each in standing.of_organization(organization.id, since - 7 * DAY, since, now, uptimes={}).lowest
    }
    assert found["Rolled"].lately == found["Raw"].lately
    times = standing.times([one.id, raw.id], since - 7 * DAY, since, now)
    assert times[one.id] == times[raw.id]


def test_a_period_in_the_address(alices: Client, organization: Organization) -> None:
    up(organization, "One")
    assert "against the 30 days before" in alices.get("/app?days=30").text
    assert "against the 7 days before" in alices.get("/app?days=nonsense").text
    part = alices.get("/app?part=figures&days=30", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div id="figures"')
    assert "against the 30 days before" in part


def test_the_page_of_very_many_does_not_wait_for_the_figures(
    alices: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "LATER", 1)
    for name in ("One", "Two"):
        up(organization, name)
    body = alices.get("/app?days=30").text
    assert "Summing up what 2 monitors did" in text(body)
    assert "Noisiest" not in body
    asks = re.search(r'id="figures"[^>]*hx-get="([^"]*)" hx-trigger="load', body)
    assert asks is not None
    part = alices.get(asks[1].replace("&amp;", "&"), headers={"HX-Request": "true"}).text
    assert "against the 30 days before" in part
    assert "Noisiest" in part
    # Without JavaScript the browser goes on to the whole page by itself, once.
    goes = re.search(r'<noscript><meta http-equiv="refresh" content="0; url=([^"]*)">', body)
    assert goes is not None
    whole = alices.get(goes[1].replace("&amp;", "&")).text
    assert "Noisiest" in whole
    assert "<noscript><meta" not in whole
