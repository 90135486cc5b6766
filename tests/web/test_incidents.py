"""Incidents: who sees them, what they say, and what people can do about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, select

from tests.factories import make_channel, make_monitor, make_organization, make_rule, save
from tests.fixtures.app import Client
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.core.signals import Ping as Signalled
from tokiflow.core.signals import Signal
from tokiflow.db import db, transaction
from tokiflow.models import (
    Alert,
    Attempt,
    Channel,
    Delivery,
    Incident,
    IncidentEvent,
    Monitor,
    Organization,
    Ping,
    Run,
    Summary,
    User,
)
from tokiflow.services import alerts, incidents, pings, routing
from tokiflow.services.news import News
from tokiflow.services.pings import Incoming

ClientFor = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ACTIONS = ("acknowledge", "resolve", "mute", "unmute", "comment")


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


def now() -> datetime:
    return datetime.now(UTC)


def make_incident(monitor: Monitor, hours: float = 2, **values: Any) -> Incident:
    at = now() - timedelta(hours=hours)
    usual = {
        "class_": "outage", "kind": "missed", "status": "open", "opened_at": at, "last_opened_at": at,
        "summary": "should have pinged by 02:05 and was silent", "reason": "It runs every hour.",
    }  # fmt: skip
    return save(Incident(organization_id=monitor.organization_id, monitor_id=monitor.id, **{**usual, **values}))


def make_step(incident: Incident, what: str, **values: Any) -> IncidentEvent:
    usual = {"at": incident.opened_at, "last_at": incident.opened_at, "by": TOKIFLOW.name, "by_kind": "system"}
    return save(IncidentEvent(incident_id=incident.id, what=what, **{**usual, **values}))


def make_delivery(incident: Incident, channel: Channel, status: str = "sent", **values: Any) -> Delivery:
    alert = save(
        Alert(organization_id=incident.organization_id, incident_id=incident.id, kind="opened", at=now(), content={})
    )
    usual = {"attempts": 1, "next_attempt_at": now(), "sent_at": now() if status == "sent" else None}
    return save(
        Delivery(
            organization_id=incident.organization_id, alert_id=alert.id, channel_id=channel.id,
            incident_id=incident.id, status=status, **{**usual, **values},
        )
    )  # fmt: skip


def address(incident: Incident, action: str = "") -> str:
    return f"/app/incidents/{ids.public('inc', incident.id)}" + (f"/{action}" if action else "")


def kept(incident_id: UUID) -> Incident:
    return db.session.execute(
        select(Incident).where(Incident.id == incident_id).execution_options(populate_existing=True)
    ).scalar_one()


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization, "Nightly backup", status="down")


@pytest.fixture
def incident(monitor: Monitor) -> Incident:
    return make_incident(monitor)


# The list.


def test_the_list_says_what_is_wrong_since_when_and_who_knows(
    alice: User, incident: Incident, organization: Organization, client_for: ClientFor
) -> None:
    make_delivery(incident, make_channel(organization, "slack", name="#ops"))
    page = client_for(alice).get("/app/incidents").text
    assert "One incident needs somebody" in page
    assert "Nightly backup" in page
    assert "has been silent for 2 h" in page
    assert "nobody has acknowledged" in page
    assert "told <bdi>#ops</bdi>" in page


def test_nothing_open_tells_when_the_last_one_ended(alice: User, monitor: Monitor, client_for: ClientFor) -> None:
    ended = now() - timedelta(days=3, hours=1)
    make_incident(monitor, 80, status="resolved", resolved_at=ended)
    page = client_for(alice).get("/app/incidents").text
    assert "No open incidents" in page
    assert "The last one ended 3 days ago." in page


def test_an_organization_without_incidents_is_told_what_will_be_here(alice: User, client_for: ClientFor) -> None:
    assert "No incidents yet" in client_for(alice).get("/app/incidents").text


def test_filters_live_in_the_address_and_count(alice: User, organization: Organization, client_for: ClientFor) -> None:
    backup, mail = make_monitor(organization, "Nightly backup"), make_monitor(organization, "Invoice e-mails")
    make_incident(backup, 1)
    make_incident(mail, 2, kind="failed", summary="exit code 3", status="acknowledged", acknowledged_at=now())
    make_incident(mail, 30, status="resolved", resolved_at=now())
    browser = client_for(alice)

    def seen(query: str) -> tuple[int, int]:
        page = browser.get(f"/app/incidents{query}").text
        return page.count('class="name" href="/app/incidents/inc_'), page.count("Acknowledge</button>")

    assert seen("")[0] == 2
    assert seen("?status=open")[0] == 1
    assert seen("?status=acknowledged")[0] == 1
    assert seen("?status=all")[0] == 3
    assert seen("?status=all&kind=failed")[0] == 1
    assert seen("?status=all&q=INVOICE")[0] == 2
    assert seen("?status=all&q=exit+3")[0] == 1
    assert seen(f"?status=all&monitor={ids.public('mon', backup.id)}")[0] == 1
    assert seen("?status=nonsense&kind=nonsense&monitor=nonsense")[0] == 0, "a slip finds nothing, and is told"
    assert "No incident matches" in browser.get("/app/incidents?q=zzz").text


def test_pages_lead_to_older_ones_and_back(alice: User, monitor: Monitor, client_for: ClientFor) -> None:
    for hours in range(1, 121):
        make_incident(monitor, hours, status="resolved", resolved_at=now())
    browser = client_for(alice)

    def turn(url: str, rel: str) -> tuple[str, list[str]]:
        page = browser.get(url).text
        found = [part.split('"')[0] for part in page.split('data-item id="')[1:]]
        links = [part.split('href="')[1].split('"')[0] for part in page.split(f'rel="{rel}"')[1:]]
        return (links[0].replace("&amp;", "&") if links else ""), found

    older, first = turn("/app/incidents?status=resolved", "next")
    older_still, second = turn(older, "next")
    end, third = turn(older_still, "next")
    assert (len(first), len(second), len(third), end) == (50, 50, 20, "")
    assert len({*first, *second, *third}) == 120
    newer, _ = turn(older_still, "prev")
    assert turn(newer, "prev")[1] == second
    assert browser.get("/app/incidents?after=rubbish").status_code == 400


def test_the_list_costs_the_same_whatever_its_length(alice: User, monitor: Monitor, client_for: ClientFor) -> None:
    browser = client_for(alice)

    def cost() -> int:
        asked: list[str] = []
        listen = lambda *arguments: asked.append(arguments[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listen)
        browser.get("/app/incidents?status=all")
        event.remove(db.engine, "before_cursor_execute", listen)
        return len(asked)

    make_incident(monitor, 1, status="resolved", resolved_at=now())
    one = cost()
    for hours in range(2, 40):
        make_incident(monitor, hours, status="resolved", resolved_at=now())
    assert cost() == one


def test_the_list_answers_htmx_with_the_part_that_lives(alice: User, incident: Incident, client_for: ClientFor) -> None:
    part = client_for(alice).get("/app/incidents", headers=HTMX).text
    assert "<html" not in part
    assert 'id="incidents"' in part
    assert 'id="state"' in part


# The page.


def test_the_page_tells_the_whole_story(
    alice: User, organization: Organization, monitor: Monitor, client_for: ClientFor
) -> None:
    run = save(
        Run(monitor_id=monitor.id, at=now(), finished_at=now(), outcome="failed", exit_code=3, duration_ms=104_000,
            output_at=NOON, output_n=1, output_size=20)
    )  # fmt: skip
    save(
        Ping(monitor_id=monitor.id, n=1, at=NOON, signal="fail", run_id=run.id, method="POST", body_size=20,
             body=b"line one\nSMTP: relay access denied\n")
    )  # fmt: skip
    incident = make_incident(monitor, kind="failed", summary="exit code 3: “SMTP”")
    make_step(incident, "opened", text=incident.summary, detail={"kind": "failed", "run": ids.public("run", run.id)})
    make_step(incident, "failed", text="exit code 3", times=12, last_at=now(), by="the job", by_kind="job")
    make_step(incident, "blind", text="Tokiflow itself could not listen for 3 m")
    sent = make_delivery(incident, make_channel(organization, "slack", name="#ops"))
    save(Attempt(delivery_id=sent.id, n=1, at=now(), duration_ms=412, ok=True, status_code=200, response="ok"))
    dead = make_delivery(incident, make_channel(organization, name="Pager"), "dead", last_error="gave up on 503")
    save(Attempt(delivery_id=dead.id, n=1, at=now(), duration_ms=9, ok=False, status_code=503, error="gave up on 503"))
    make_channel(organization, "email", name="Old room", enabled=False, disabled_reason="550 no such user")
    make_incident(monitor, 99, status="resolved", resolved_at=now() - timedelta(hours=98), resolved_by="Bob")

    page = client_for(alice).get(address(incident)).text
    for said in (
        "failed with exit code 3: “SMTP”", "It runs every hour.", "SMTP: relay access denied",
        "exit code 3, took 1 m 44 s",
        f"/runs/{ids.public('run', run.id)}", "×12 until", "could not listen for 3 m", "Told <bdi>#ops</bdi>",
        "took 0.4 s, HTTP 200", "gave up on 503", "Send again", "Disabled: 550 no such user", "Missed, ",
        "Nobody has acknowledged", 'data-key="a"',
    ):  # fmt: skip
        assert said in page, said


def test_what_is_not_known_of_a_run_leaves_no_comma(
    alice: User, monitor: Monitor, incident: Incident, client_for: ClientFor
) -> None:
    said = {"at": now(), "finished_at": now(), "output_at": NOON, "output_n": 1, "output_size": 400}
    run = save(Run(monitor_id=monitor.id, outcome="failed", **said))
    make_step(incident, "failed", text="x", detail={"run": ids.public("run", run.id)})
    assert '<span class="muted">400 B of output</span>' in client_for(alice).get(address(incident)).text


def test_the_timeline_names_the_rule_what_was_given_up_and_the_end_of_a_silence(
    alice: User, organization: Organization, monitor: Monitor, client_for: ClientFor
) -> None:
    make_rule(organization, [make_channel(organization, "slack", name="#ops")], name="Outages")
    incident = make_incident(monitor, 5)
    rule = "by the rule “Outages”"
    make_delivery(incident, make_channel(organization, "slack", name="#day"), because=rule)
    make_delivery(incident, make_channel(organization, name="Pager"), "dead", last_error="503: try later")

    def silence(what: str, began: float, ended: float) -> None:
        at, until = now() - timedelta(hours=began), now() - timedelta(hours=ended)
        make_step(incident, what, at=at, last_at=at, by="Bob", detail={"until": until.isoformat()})

    silence("muted", 4.5, 1)
    silence("snoozed", 4, 2)  # in place of the mute
    silence("muted", 0.5, -1)  # which goes on
    text = client_for(alice).get(address(incident)).text
    told = text[text.index('<ol class="timeline"') : text.index("Who was told")]
    assert "Told #day</div>" in told
    assert f"Tokiflow, {rule}" in told
    assert "Could not tell Pager: 503: try later" in told
    assert (told.count("The snooze ended"), told.count("The mute ended")) == (1, 0)


def test_the_page_says_who_is_told_next_and_why_others_are_not(
    alice: User, organization: Organization, monitor: Monitor, client_for: ClientFor
) -> None:
    ops, bob = make_channel(organization, "slack", name="#ops"), make_channel(organization, name="Bob")
    night, off = make_channel(organization, name="Night"), make_channel(organization, name="Off", enabled=False)
    make_channel(organization, name="Unnamed")
    make_rule(organization, [ops, off], [bob], name="Outages", waits=[900], remind_seconds=3600)
    make_rule(organization, [night], name="Warnings", condition={"severities": ["warning"]})
    pings.record([Incoming(monitor.token, Signalled(Signal.FAIL, now()))], now())
    incident = db.session.execute(select(Incident)).scalar_one()

    page = client_for(alice).get(address(incident)).text
    for said in (
        "By the rule “Outages”", "<strong><bdi>Bob</bdi></strong>, by step 2 of “Outages”",
        "those again whom “Outages” has told", "by step 2 of “Outages”, unless somebody acknowledges.",
        "“Warnings” would tell it, but kept silent: not a warning.", "No rule that spoke names it.",
        "Disabled when people were told; else it would have been told by the rule “Outages”.",
    ):  # fmt: skip
        assert said in page, said

    incidents.acknowledge(incident.id, Actor("person", "Bob"), now())
    page = client_for(alice).get(address(incident)).text
    assert "by step 2 of “Outages”. Bob had acknowledged by then." in page
    assert "Still to come" not in page


def test_the_page_says_what_is_held_back(
    alice: User, organization: Organization, monitor: Monitor, client_for: ClientFor
) -> None:
    make_channel(organization, "slack", name="#ops")
    # From two hours ago until two hours from now: whatever the time is, it is in the middle.
    hours = {"from": f"{now() - timedelta(hours=2):%H:%M}", "to": f"{now() + timedelta(hours=2):%H:%M}"}
    routing.set_quiet_hours(organization.id, {**hours, "timezone": "UTC"}, TOKIFLOW, now())
    incident = make_incident(monitor, class_="performance", kind="degraded")
    with transaction():
        alerts.plan([News(incident, monitor, "opened", now())], now())
    page = client_for(alice).get(address(incident)).text
    assert "Held back: quiet hours for warnings until" in page
    assert "Told nobody yet: quiet hours for warnings until" in page


def test_a_channel_the_monitor_does_not_name_is_explained(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    own = make_channel(organization, "slack", name="#db")
    make_channel(organization, "slack", name="#ops")
    incident = make_incident(make_monitor(organization, channels=[own]))
    make_delivery(incident, own)
    assert (
        "This monitor has channels of its own, and this is none of them."
        in client_for(alice).get(address(incident)).text
    )


def test_a_long_timeline_is_cut_and_can_be_seen_whole(alice: User, incident: Incident, client_for: ClientFor) -> None:
    for n in range(60):
        make_step(
            incident, "commented", text=f"step number {n}.", at=incident.opened_at + timedelta(seconds=n), by="Bob"
        )
    browser = client_for(alice)
    short = browser.get(address(incident)).text
    assert "step number 59." in short
    assert "step number 5." not in short
    assert "30 earlier steps not shown" in short
    assert "step number 5." in browser.get(f"{address(incident)}?timeline=all").text


def test_what_people_and_jobs_wrote_can_not_run(alice: User, organization: Organization, client_for: ClientFor) -> None:
    nasty = "<script>alert(1)</script>"
    incident = make_incident(make_monitor(organization, nasty), kind="failed", summary=nasty, reason=nasty)
    make_step(incident, "commented", text=f"{nasty}\nsecond line", by=nasty)
    make_delivery(incident, make_channel(organization, name=nasty), "dead", last_error=nasty)
    browser = client_for(alice)
    for url in (address(incident), "/app/incidents", address(incident, "mute")):
        assert nasty not in browser.get(url).text


# What can be done.


def test_bob_acknowledges_and_everybody_sees_it(
    alice: User, bob: User, incident: Incident, client_for: ClientFor
) -> None:
    answer = client_for(bob).post(address(incident, "acknowledge"))
    assert answer.status_code == 303
    assert answer.location == address(incident)
    page = client_for(alice).get(address(incident)).text
    assert "Acknowledged by <bdi>Bob</bdi>" in page
    assert "Acknowledge</button>" not in page


def test_acknowledging_by_htmx_answers_with_the_page_as_it_is_now(
    bob: User, incident: Incident, client_for: ClientFor
) -> None:
    target = {**HTMX, "HX-Target": "article#incident"}
    answer = client_for(bob).post(address(incident, "acknowledge"), headers=target)
    assert answer.status_code == 200
    assert "Acknowledged by <bdi>Bob</bdi>" in answer.text
    assert "<html" not in answer.text
    assert "toast" in answer.headers["HX-Trigger"]


def test_acknowledging_in_the_list_makes_the_list_ask_again(
    bob: User, incident: Incident, client_for: ClientFor
) -> None:
    answer = client_for(bob).post(address(incident, "acknowledge"), headers={**HTMX, "HX-Target": "section#incidents"})
    assert answer.status_code == 204
    assert '"poll": {"target": "#incidents"}' in answer.headers["HX-Trigger"]


def test_resolving_gives_the_monitor_a_fresh_chance(bob: User, incident: Incident, client_for: ClientFor) -> None:
    assert client_for(bob).post(address(incident, "resolve")).status_code == 303
    assert kept(incident.id).status == "resolved"
    assert "resolved it" in client_for(bob).get(address(incident)).text


@pytest.mark.parametrize("action", ["acknowledge", "resolve", "unmute"])
def test_whoever_comes_too_late_is_told_kindly(bob: User, monitor: Monitor, client_for: ClientFor, action: str) -> None:
    incident = make_incident(
        monitor, status="resolved", resolved_at=now(), resolved_by="Alice", resolved_by_person=True
    )
    browser = client_for(bob)
    page = browser.post(address(incident, action))
    assert page.status_code == 409
    assert "This incident is resolved already" in page.text
    assert "<bdi>Alice</bdi> resolved it" in page.text
    part = browser.post(address(incident, action), headers={**HTMX, "HX-Target": "article#incident"})
    assert part.status_code == 409
    assert "resolved already" in part.text
    elsewhere = browser.post(address(incident, action), headers={**HTMX, "HX-Target": "section#incidents"})
    assert elsewhere.status_code == 204
    assert "resolved already" in elsewhere.headers["HX-Trigger"]


def test_muting_for_an_hour_and_ending_it(bob: User, incident: Incident, client_for: ClientFor) -> None:
    browser = client_for(bob)
    assert browser.post(address(incident, "mute"), data={"choice": "1h"}).status_code == 303
    until = kept(incident.id).muted_until
    assert until is not None
    assert timedelta(minutes=59) < until - now() <= timedelta(hours=1)
    assert "no more messages until then" in browser.get(address(incident)).text
    for _ in range(2):
        assert browser.post(address(incident, "unmute")).status_code == 303
    assert kept(incident.id).muted_until is None
    assert browser.get(address(incident)).text.count("Ended the mute") == 1, "though somebody pressed twice"


def test_muting_until_tomorrow_morning_means_the_morning_of_the_viewer(
    bob: User, incident: Incident, client_for: ClientFor
) -> None:
    client_for(bob).post(address(incident, "mute"), data={"choice": "tomorrow"})
    until = kept(incident.id).muted_until
    from zoneinfo import ZoneInfo

    assert until is not None
    local = until.astimezone(ZoneInfo("Europe/Berlin"))
    assert (local.hour, local.minute) == (9, 0)
    assert local.date() == now().astimezone(ZoneInfo("Europe/Berlin")).date() + timedelta(days=1)


@pytest.mark.parametrize("written", ["", "soon", "2001-01-01T00:00", "9999-12-31T23:59", "0001-01-01T00:00"])
def test_a_mute_that_can_not_be_is_refused_with_the_same_form(
    bob: User, incident: Incident, client_for: ClientFor, written: str
) -> None:
    answer = client_for(bob).post(address(incident, "mute"), data={"choice": "date", "until": written})
    assert answer.status_code == 422
    assert "until-error" in answer.text
    assert f'value="{written}"' in answer.text
    assert kept(incident.id).muted_until is None


def test_a_choice_that_is_none_is_refused(bob: User, incident: Incident, client_for: ClientFor) -> None:
    assert client_for(bob).post(address(incident, "mute"), data={}).status_code == 422
    assert client_for(bob).post(address(incident, "mute"), data={"choice": "ever"}).status_code == 422


def test_a_comment_stands_on_the_timeline_with_its_lines(bob: User, incident: Incident, client_for: ClientFor) -> None:
    browser = client_for(bob)
    answer = browser.post(address(incident, "comment"), data={"text": "cron was off\n\nback now"})
    assert (answer.status_code, answer.location) == (303, f"{address(incident)}#timeline")
    assert "<p>cron was off</p>\n<p>back now</p>" in browser.get(address(incident)).text


def test_an_empty_comment_comes_back_with_the_reason(bob: User, incident: Incident, client_for: ClientFor) -> None:
    browser = client_for(bob)
    assert browser.post(address(incident, "comment"), data={"text": " \n "}).status_code == 422
    long = browser.post(address(incident, "comment"), data={"text": "x" * 10_001}, headers=HTMX)
    assert long.status_code == 422
    assert "x" * 10_001 in long.text
    assert "<html" not in long.text


def test_a_comment_by_htmx_brings_a_fresh_form_and_wakes_the_page(
    bob: User, incident: Incident, client_for: ClientFor
) -> None:
    answer = client_for(bob).post(address(incident, "comment"), data={"text": "looking"}, headers=HTMX)
    assert answer.status_code == 200
    assert "looking" not in answer.text
    assert '"target": "#incident"' in answer.headers["HX-Trigger"]


def test_many_channels_fold_and_what_has_not_arrived_comes_first(
    bob: User, incident: Incident, organization: Organization, client_for: ClientFor
) -> None:
    first = make_delivery(incident, make_channel(organization, name="Room 0"), because="by the rule “Outages”")
    soon = now() + timedelta(minutes=4, seconds=50)
    said: dict[str, Any] = {"because": "by the rule “Outages”", "sent_at": None}
    more: list[tuple[str, dict[str, Any]]] = [
        ("Retrying", {"attempts": 3, "next_attempt_at": soon, "last_error": "503"}),
        ("Given up", {"status": "dead"}),
    ]
    silent = {"attempts": 0, "next_attempt_at": soon, "waits_for_host": "pager.example.com", "last_error": "left alone"}
    for name, values in (*more, ("Silent", silent)):
        save(_beside(first, make_channel(organization, name=name), **{"status": "pending", **said, **values}))
    for n in range(1, 8):
        save(
            _beside(first, make_channel(organization, name=f"Room {n}"), **{**said, "status": "sent", "sent_at": now()})
        )
    page = client_for(bob).get(address(incident)).text
    for words in (
        "1 given up, 2 on the way",
        "8 channels: <bdi>Room 0, Room 1, Room 2, Room 3 and 4 others",
        "No answer",
    ):
        assert words in page, words
    assert page.count("Next try <time") == 2
    assert page.count("y the rule “Outages”") == 2, "on the timeline, and once above all of them"
    assert page.index("<bdi>Given up") < page.index("<bdi>Retrying") < page.index("8 channels:")


def _beside(delivery: Delivery, channel: Channel, **values: Any) -> Delivery:
    """Another delivery of the same alert."""
    usual = {"attempts": 1, "next_attempt_at": now()}
    return Delivery(
        organization_id=delivery.organization_id, alert_id=delivery.alert_id, channel_id=channel.id,
        incident_id=delivery.incident_id, **{**usual, **values},
    )  # fmt: skip


def test_a_dead_delivery_is_sent_again_once(
    bob: User, incident: Incident, organization: Organization, client_for: ClientFor
) -> None:
    dead = make_delivery(incident, make_channel(organization), "dead")
    url = address(incident, f"deliveries/{ids.public('dlv', dead.id)}/send-again")
    browser = client_for(bob)
    assert browser.post(url).status_code == 303
    assert db.session.get_one(Delivery, dead.id, populate_existing=True).status == "pending"
    assert browser.post(url).status_code == 409


def test_a_delivery_of_another_incident_is_not_sent_again(
    bob: User, incident: Incident, organization: Organization, client_for: ClientFor
) -> None:
    other = make_incident(make_monitor(organization, "Other"))
    dead = make_delivery(other, make_channel(organization), "dead")
    url = address(incident, f"deliveries/{ids.public('dlv', dead.id)}/send-again")
    assert client_for(bob).post(url).status_code == 404


# Who may.


def test_a_viewer_reads_and_can_not_act(vera: User, incident: Incident, client_for: ClientFor) -> None:
    browser = client_for(vera)
    page = browser.get(address(incident)).text
    assert "has been silent" in page
    assert "Acknowledge</button>" not in page
    assert 'name="text"' not in page
    for action in ACTIONS:
        assert browser.post(address(incident, action)).status_code == 403
    assert browser.get(address(incident, "mute")).status_code == 403
    assert kept(incident.id).status == "open"


@pytest.mark.parametrize("who", ["alice", "adam", "mia"])
def test_whoever_works_incidents_can_act(
    who: str, incident: Incident, client_for: ClientFor, request: pytest.FixtureRequest
) -> None:
    browser = client_for(request.getfixturevalue(who))
    assert browser.post(address(incident, "acknowledge")).status_code == 303


def test_charlie_sees_nothing(charlie: User, incident: Incident, client_for: ClientFor) -> None:
    browser = client_for(charlie)
    assert "Nightly backup" not in browser.get("/app/incidents?status=all").text
    assert browser.get(address(incident)).status_code == 404
    for action in ACTIONS:
        assert browser.post(address(incident, action)).status_code == 404
    monitor = ids.public("mon", incident.monitor_id)
    assert "Nightly backup" not in browser.get(f"/app/incidents?status=all&monitor={monitor}").text


def test_nobody_is_sent_to_sign_in(client: Client, incident: Incident) -> None:
    for url in ("/app/incidents", address(incident)):
        assert client.get(url).location.startswith("/auth/")
    assert client.post(address(incident, "resolve")).status_code == 303
    assert kept(incident.id).status == "open"


def test_an_address_that_is_none_is_not_found(alice: User, client_for: ClientFor) -> None:
    browser = client_for(alice)
    for wrong in ("inc_nonsense", "mon_00000000000000000000000000", "inc_00000000000000000000000000", "%00"):
        assert browser.get(f"/app/incidents/{wrong}").status_code == 404


def test_similar_incidents_are_of_this_monitor_only(alice: User, incident: Incident, client_for: ClientFor) -> None:
    stranger = make_monitor(make_organization("Elsewhere"), "Foreign job")
    make_incident(stranger, 50, summary="foreign words", status="resolved", resolved_at=now())
    page = client_for(alice).get(address(incident)).text
    assert "foreign words" not in page
    assert "It never went like this before." in page


# Told in a summary.


@pytest.mark.parametrize(
    ("status", "values", "said", "reached"),
    [
        ("pending", {"attempts": 0}, "To be told in a summary at", False),
        ("merged", {}, "In a summary of 23 monitors", False),
        ("merged", {"sent_at": datetime(2026, 11, 20, 12, 0, tzinfo=UTC)}, ", in a summary of 23 monitors", True),
        ("dead", {"last_error": "Slack answered 404"}, "In a summary of 23 monitors", False),
    ],
    ids=["gathering", "under way", "told", "given up"],
)
def test_the_page_says_what_a_summary_told(
    alice: User,
    monitor: Monitor,
    organization: Organization,
    client_for: ClientFor,
    status: str,
    values: dict[str, Any],
    said: str,
    reached: bool,
) -> None:
    ops = make_channel(organization, "slack", name="#ops", group_after=5)
    summary = save(
        Summary(organization_id=organization.id, channel_id=ops.id, reason="storm", started_at=now(), last_at=now())
    )
    incident = make_incident(monitor)
    told_in = {} if status == "pending" else {"told_in": str(ids.new()), "of": 23}
    make_delivery(incident, ops, status, **{"summary_id": summary.id, "memory": told_in, **values})
    page = client_for(alice).get(address(incident)).text
    assert said in page
    assert ("Nobody has been reached yet" not in page) is reached
    assert ("Send again" in page) is (status == "dead")


def test_what_is_unusual_can_be_said_to_be_no_problem(alice: User, monitor: Monitor, client_for: ClientFor) -> None:
    client = client_for(alice)
    incident = make_incident(monitor, class_="performance", kind="anomaly", summary="took 3 s; usually 12 m ± 40 s")
    assert "Not a problem" in client.get(address(incident)).text
    assert client.post(address(incident, "not-a-problem")).status_code == 303
    assert kept(incident.id).status == "resolved"
    shown = client.get(address(incident)).text
    assert "it is not a problem, and taken as usual from now on" in shown
    assert ">Not a problem<" not in shown


def test_what_is_unusual_is_drawn_among_the_runs_before(alice: User, monitor: Monitor, client_for: ClientFor) -> None:
    incident = make_incident(monitor, class_="performance", kind="anomaly", summary="took 3 s; usually 12 m ± 40 s")
    client, odd = client_for(alice), {"measure": "run_time", "words": "took 3 s; usually 12 m ± 40 s (z = −18)"}
    for n in range(5):
        at = now() - timedelta(hours=5 - n)
        values = {"duration_ms": 3_000, "findings": [odd]} if n == 4 else {"duration_ms": 720_000}
        save(Run(monitor_id=monitor.id, at=at, finished_at=at, outcome="success", metrics={}, **values))
        if n == 3:
            assert 'id="chart"' not in client.get(address(incident)).text, "nothing of it is odd yet"
    chart = client.get(address(incident)).text.partition('id="chart"')[2].partition("</section>")[0]
    assert "Run time. 5 runs" in chart
    assert ">3 s; usually 12 m ± 40 s</text>" in chart


def test_an_outage_has_no_such_button(alice: User, incident: Incident, client_for: ClientFor) -> None:
    client = client_for(alice)
    assert "Not a problem" not in client.get(address(incident)).text
    assert client.post(address(incident, "not-a-problem")).status_code == 409
