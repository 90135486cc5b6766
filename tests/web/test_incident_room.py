"""The incident room: what many people look at, work through, give each other and write down."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.house.things import fail
from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import (
    AuditEvent,
    Delivery,
    Export,
    FollowUp,
    Incident,
    IncidentEvent,
    Letter,
    Membership,
    Monitor,
    Organization,
    Preset,
    User,
)
from tokiflow.services import comments, exports, follow_ups, incident_sets, incidents, memberships, pings, presets
from tokiflow.services.exporting import incidents as incident_csv
from tokiflow.web import incident_sets as incident_sets_page

ClientFor = Callable[[User], Client]
HOUR = timedelta(hours=1)
EVIL = '=HYPERLINK("http://evil.example")'


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


def now() -> datetime:
    return datetime.now(UTC)


def actor(user: User) -> Actor:
    return Actor("person", user.name, user.id)


def make_incident(monitor: Monitor, hours: float = 2, **values: Any) -> Incident:
    at = now() - timedelta(hours=hours)
    usual = {
        "class_": "outage", "kind": "missed", "status": "open", "opened_at": at, "last_opened_at": at,
        "summary": "was silent", "reason": "It runs every hour.",
    }  # fmt: skip
    if values.get("status") == "resolved":
        usual["resolved_at"] = at + HOUR
    return save(Incident(organization_id=monitor.organization_id, monitor_id=monitor.id, **{**usual, **values}))


def in_trouble(organization: Organization, number: int, **values: Any) -> list[Incident]:
    """So many monitors whose last run failed, each with its incident, told to a channel of the Slack app's kind."""
    made = [make_monitor(organization, f"Job {n}", **values) for n in range(number)]
    for monitor in made:
        fail(monitor, now() - timedelta(minutes=5))
    found = select(Incident).where(Incident.monitor_id.in_([one.id for one in made])).order_by(Incident.id)
    return list(db.session.execute(found).scalars())


def public(incident: Incident) -> str:
    return ids.public("inc", incident.id)


def fresh(row: Any) -> Any:
    db.session.rollback()
    return db.session.get_one(type(row), row.id, populate_existing=True)


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/app/incidents{query}")
    assert answer.status_code == 200
    return answer.text


def seen(text: str) -> set[str]:
    return set(re.findall(r'class="name" href="/app/incidents/(inc_\w+)"', text))


# --- the list ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["status=all", "status=unresolved", "status=all&tag=db", "status=all&assigned=nobody&q=job"]
)
def test_each_choice_says_how_many_it_leads_to(
    alice: User, bob: User, organization: Organization, client_for: ClientFor, query: str
) -> None:
    databases = make_monitor(organization, "Database job", tags=["db", "nightly"])
    mails = make_monitor(organization, "Mails", tags=["mail", "nightly"])
    make_incident(databases, 2, assigned_to=bob.id)
    make_incident(databases, 90, status="resolved")
    make_incident(mails, 24 * 9, kind="degraded", class_="performance", assigned_to=alice.id)
    twice = make_incident(make_monitor(organization, "Job of nobody"), 24 * 40)
    for words in ("Looking", "Found it"):
        incidents.comment(twice.id, words, actor(bob), now())
    browser = client_for(alice)
    choices = re.findall(
        r'<select class="control" name="(tag|assigned|person|within)".*?</select>',
        page(browser, f"?{query}"),
        re.DOTALL,
    )
    assert choices == ["within", "tag", "assigned", "person"]
    for name in choices:
        (offered,) = re.findall(
            rf'<select class="control" name="{name}".*?</select>', page(browser, f"?{query}"), re.DOTALL
        )
        told = re.findall(r'<option value="([^"]+)"[^>]*>[^<]* \((\d+)\)</option>', offered)
        assert told
        for value, number in told:
            rest = "&".join(part for part in query.split("&") if not part.startswith(f"{name}="))
            assert len(seen(page(browser, f"?{rest}&{name}={value}"))) == int(number), (name, value)


def test_filters_combine_and_choices_are_counted(
    alice: User, bob: User, organization: Organization, client_for: ClientFor
) -> None:
    nightly = make_monitor(organization, "Nightly backup", tags=["db"])
    mails = make_monitor(organization, "Mails", tags=["mail"])
    first = make_incident(nightly, 2, kind="failed", assigned_to=bob.id)
    second = make_incident(nightly, 50, kind="degraded", class_="performance")
    third = make_incident(mails, 3)
    browser = client_for(alice)
    everything = {public(one) for one in (first, second, third)}
    assert seen(page(browser, "?status=all")) == everything
    for query, expected in (
        ("severity=warning", {second}),
        ("tag=db", {first, second}),
        ("tag=db&severity=critical", {first}),
        (f"assigned={ids.public('usr', bob.id)}", {first}),
        ("assigned=nobody", {second, third}),
        ("assigned=me", set()),
        ("within=24h", {first, third}),
        ("within=24h&kind=missed", {third}),
        ("monitor=nightly+backup", {first, second}),
        (f"monitor={ids.public('mon', mails.id)}", {third}),
        ("to=2000-01-01", set()),
    ):
        assert seen(page(browser, f"?status=all&{query}")) == {public(one) for one in expected}, query
    text = page(browser, "?status=all&tag=db")
    assert "Failed (1)" in text
    assert "Missed (0)" in text
    assert "Warning (1)" in text
    assert "Critical (1)" in text


def test_who_had_a_hand_in_it_is_found(
    alice: User, bob: User, organization: Organization, client_for: ClientFor
) -> None:
    monitor = make_monitor(organization)
    mine, others = make_incident(monitor, 2), make_incident(make_monitor(organization), 3)
    incidents.comment(mine.id, "I looked.", actor(bob), now())
    incidents.comment(others.id, "I looked.", actor(alice), now())
    assert seen(page(client_for(bob), "?person=me")) == {public(mine)}
    assert seen(page(client_for(alice), f"?person={ids.public('usr', bob.id)}")) == {public(mine)}
    assert seen(page(client_for(alice), "?q=LOOKED&person=me")) == {public(others)}


@pytest.mark.parametrize(
    "query",
    ["status=x", "kind=x", "severity=x", "within=x", "from=x", "to=2026-02-31", "assigned=x", "person=usr_1",
     "monitor=nothing", "from=2026-02-02&to=2026-02-01", "status=open&status=all", "tag=" + "x" * 201,
     "q=a+b+c+d+e+f+g+h+i+j+k"],
)  # fmt: skip
def test_what_nobody_understands_is_said_and_finds_nothing(
    query: str, alice: User, organization: Organization, client_for: ClientFor
) -> None:
    make_incident(make_monitor(organization))
    text = page(client_for(alice), f"?{query}")
    assert seen(text) == set()
    assert "So nothing is shown." in text
    again = html.unescape(re.search(r'id="incidents" data-live="10" hx-get="([^"]+)"', text)[1])  # type: ignore[index]
    assert "So nothing is shown." in client_for(alice).get(again).text, "nor when the list asks again by itself"


def test_the_list_asks_as_much_for_ten_thousand_as_for_ten(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    monitor, browser = make_monitor(organization, tags=["db"]), client_for(alice)
    queries = ("?status=all", "?status=all&tag=db&q=silent&person=me&assigned=nobody&within=30d")

    def asked() -> list[int]:
        found = []
        for query in queries:
            with statements() as sent:
                page(browser, query)
            found.append(len(sent))
        return found

    for n in range(3):
        make_incident(monitor, n + 1, status="resolved")
    few = asked()
    for n in range(60):
        make_incident(monitor, n + 5, status="resolved")
    assert asked() == few
    assert max(few) <= 20


# --- presets ----------------------------------------------------------------------------------------------------


def test_a_preset_is_saved_opened_and_one_is_the_default(
    bob: User, vera: User, organization: Organization, client_for: ClientFor
) -> None:
    make_incident(make_monitor(organization))
    browser = client_for(bob)
    answer = browser.post(
        "/app/incidents/presets/new?status=open&kind=missed", data={"name": "Silent", "shared": "y", "default": "y"}
    )
    assert answer.location == "/app/incidents?status=open&kind=missed"
    assert "Silent" in page(browser, "?status=open&kind=missed")
    assert browser.get("/app/incidents").location == "/app/incidents?status=open&kind=missed"
    assert seen(page(browser, "?status=all")), "a link shows all"
    theirs = page(client_for(vera), "?status=all")
    assert "Silent" in theirs
    assert client_for(vera).get("/app/incidents").status_code == 200, "the default is Bob's alone"
    assert db.session.execute(select(AuditEvent.what)).scalars().all() == ["preset.created"]


def test_presets_of_ones_own_are_nobody_elses(
    bob: User, adam: User, organization: Organization, client_for: ClientFor
) -> None:
    made = presets.create(organization.id, "Mine", "status=open", False, actor(bob), now())
    address = f"/app/incidents/presets/{ids.public('pre', made)}/edit"
    assert client_for(adam).get(address).status_code == 404
    assert client_for(bob).get(address).status_code == 200
    assert db.session.execute(select(AuditEvent)).first() is None


def test_what_is_shared_is_changed_by_its_maker_and_by_admins(
    bob: User, mia: User, adam: User, vera: User, organization: Organization, client_for: ClientFor
) -> None:
    made = presets.create(organization.id, "Ours", "status=open", True, actor(bob), now())
    address = f"/app/incidents/presets/{ids.public('pre', made)}"
    assert client_for(mia).post(f"{address}/delete").status_code == 403
    answer = client_for(adam).post(f"{address}/edit", data={"name": "All of ours", "shared": "y", "version": "0"})
    assert answer.status_code == 303
    late = client_for(bob).post(f"{address}/edit", data={"name": "Bob’s", "shared": "y", "version": "0"})
    assert late.status_code == 409
    assert "It is called “All of ours” now" in late.text
    assert "Bob’s" in late.text, "what was typed is still there"
    assert (
        client_for(vera).post("/app/incidents/presets/new?kind=failed", data={"name": "V", "shared": "y"}).status_code
        == 403
    )
    assert client_for(vera).post("/app/incidents/presets/new?kind=failed", data={"name": "V"}).status_code == 303
    assert client_for(bob).post(f"{address}/delete").status_code == 303
    whats = db.session.execute(select(AuditEvent.what).order_by(AuditEvent.n)).scalars().all()
    assert whats == ["preset.created", "preset.edited", "preset.deleted"]


def test_a_preset_is_given_the_filters_at_hand(
    bob: User, adam: User, organization: Organization, client_for: ClientFor
) -> None:
    made = presets.create(organization.id, "Ours", "status=open&kind=failed", True, actor(bob), now())
    presets.create(organization.id, "Mine", "status=open", False, actor(bob), now())
    saving = client_for(adam).get("/app/incidents/presets/new?status=all&kind=missed").text
    address = f"/app/incidents/presets/{ids.public('pre', made)}/edit"
    assert f"{address}?status=all&amp;kind=missed" in saving
    assert "Mine" not in saving, "that is Bob's own"
    asked = client_for(adam).get(f"{address}?status=all&kind=missed").text
    for words in ("these filters", "<bdi>missed</bdi>", "Until now:", "<bdi>failed</bdi>"):
        assert words in asked
    answer = client_for(adam).post(
        f"{address}?status=all&kind=missed", data={"name": "Ours", "shared": "y", "version": "0"}
    )
    assert answer.location == "/app/incidents?status=all&kind=missed"
    late = client_for(bob).post(
        f"{address}?status=all&kind=failed", data={"name": "Ours", "shared": "y", "version": "0"}
    )
    assert late.status_code == 409
    assert db.session.get_one(Preset, made).query == "status=all&kind=missed"
    assert client_for(bob).post(f"{address}?status=never", data={"name": "Ours"}).status_code == 404


def test_a_preset_kept_to_oneself_again_is_nobody_elses_default(
    bob: User, mia: User, organization: Organization
) -> None:
    made = presets.create(organization.id, "Ours", "status=open", True, actor(bob), now())
    for user in (bob, mia):
        presets.set_default(organization.id, user.id, made)
    presets.edit(made, "Ours", False, actor(bob), now())
    db.session.rollback()
    kept = dict(db.session.execute(select(Membership.user_id, Membership.preset_id)).all())
    assert (kept[bob.id], kept[mia.id]) == (made, None)


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "is empty"), ("\u200b \u202e", "is empty"), ("x" * 101, "longer than 100"), ("MINE", "taken")],
)
def test_a_bad_name_is_said_beside_it(
    name: str, said: str, bob: User, organization: Organization, client_for: ClientFor
) -> None:
    presets.create(organization.id, "Mine", "status=open", False, actor(bob), now())
    answer = client_for(bob).post("/app/incidents/presets/new?kind=failed", data={"name": name})
    assert answer.status_code == 422
    assert said in answer.text


def test_there_is_an_end_to_presets(
    bob: User, organization: Organization, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "MOST", 2)
    for name in ("a", "b"):
        presets.create(organization.id, name, "status=open", False, actor(bob), now())
    answer = client_for(bob).post("/app/incidents/presets/new?kind=failed", data={"name": "c"})
    assert answer.status_code == 422
    assert "one preset too many" in answer.text
    presets.create(organization.id, "c", "status=open", True, actor(bob), now())


# --- many at once -----------------------------------------------------------------------------------------------


def test_the_question_counts_what_will_happen(bob: User, organization: Organization, client_for: ClientFor) -> None:
    monitors = [make_monitor(organization, f"Job {n}") for n in range(4)]
    rows = [
        make_incident(monitors[0]),
        make_incident(monitors[1], status="acknowledged", acknowledged_at=now(), acknowledged_by="Mia"),
        make_incident(monitors[2], status="resolved"),
    ]
    which = "&".join(f"id={public(one)}" for one in rows) + f"&id=inc_{'0' * 26}"
    text = client_for(bob).get(f"/app/incidents/bulk?do=acknowledge&{which}").text
    assert "Acknowledge 1 incident?" in text
    assert "1 is resolved already" in text
    assert "1 is acknowledged already" in text
    assert "1 is not here any more" in text
    assert "Resolve 2 incidents?" in client_for(bob).get(f"/app/incidents/bulk?do=resolve&{which}").text


def test_many_are_resolved_as_each_would_be(bob: User, organization: Organization, client_for: ClientFor) -> None:
    make_channel(organization)
    rows = in_trouble(organization, 3)
    alone = rows.pop()
    incidents.resolve(alone.id, actor(bob), now())
    browser = client_for(bob)
    answer = browser.post("/app/incidents/bulk", data={"do": "resolve", "id": [public(one) for one in (*rows, alone)]})
    assert answer.status_code == 303
    assert "2 incidents were resolved. 1 was left as it was." in page(browser, "?status=all")
    for one in (alone, *rows):
        kept = fresh(one)
        assert (kept.status, kept.resolved_by, kept.resolved_by_person) == ("resolved", bob.name, True)
        monitor = db.session.get_one(Monitor, one.monitor_id)
        assert monitor.status == "new" or monitor.status == "up"
        told = select(Delivery).where(Delivery.incident_id == one.id)
        assert len(db.session.execute(told).scalars().all()) == 2, "of the trouble, and that it is over"
        steps = select(IncidentEvent.what).where(IncidentEvent.incident_id == one.id).order_by(IncidentEvent.id)
        assert db.session.execute(steps).scalars().all() == ["opened", "resolved"]
    written = select(AuditEvent.object_id).where(AuditEvent.what == "incident.resolved")
    assert set(db.session.execute(written).scalars()) == {one.id for one in (alone, *rows)}


def test_monitors_get_the_same_fresh_chance_as_one_alone(bob: User, organization: Organization) -> None:
    one, other = in_trouble(organization, 2)
    at = now()
    incidents.resolve(one.id, actor(bob), at)
    incident_sets.resolve([other.id], actor(bob), at)
    columns = (
        "status",
        "bad",
        "good",
        "misses",
        "running",
        "flapping",
        "paused_until",
        "due_at",
        "deadline_at",
        "watch_at",
    )
    kept = [fresh(db.session.get_one(Monitor, each.monitor_id)) for each in (one, other)]
    assert [getattr(kept[0], name) for name in columns] == [getattr(kept[1], name) for name in columns]


def test_all_that_match_means_those_that_were_seen(
    bob: User, organization: Organization, client_for: ClientFor
) -> None:
    early = make_incident(make_monitor(organization, "Early", tags=["db"]), 3)
    elsewhere = make_incident(make_monitor(organization, "Elsewhere"), 3)
    browser = client_for(bob)
    asked = browser.get("/app/incidents/bulk?do=acknowledge&all=yes&status=unresolved&tag=db").text
    assert "Acknowledge 1 incident?" in asked
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked))
    late = make_incident(make_monitor(organization, "Late", tags=["db"]), 1, created_at=now() + timedelta(seconds=1))
    assert browser.post("/app/incidents/bulk", data=hidden).status_code == 303
    assert [fresh(one).status for one in (early, late, elsewhere)] == ["acknowledged", "open", "open"]


def test_a_filter_that_nobody_understands_changes_nothing(
    bob: User, organization: Organization, client_for: ClientFor
) -> None:
    one = make_incident(make_monitor(organization))
    client_for(bob).post("/app/incidents/bulk", data={"do": "resolve", "all": "yes", "tag": "db", "kind": "nonsense"})
    client_for(bob).post("/app/incidents/bulk", data={"do": "resolve"})
    client_for(bob).post("/app/incidents/bulk", data={"do": "explode", "id": public(one)})
    assert fresh(one).status == "open"


def test_others_incidents_are_not_touched(
    bob: User, other_organization: Organization, vera: User, organization: Organization, client_for: ClientFor
) -> None:
    foreign, ours = make_incident(make_monitor(other_organization)), make_incident(make_monitor(organization))
    client_for(bob).post("/app/incidents/bulk", data={"do": "resolve", "id": public(foreign)})
    assert fresh(foreign).status == "open"
    assert client_for(vera).post("/app/incidents/bulk", data={"do": "resolve", "id": public(ours)}).status_code == 403


def test_many_are_muted_until_a_time_that_is_asked_for(
    bob: User, organization: Organization, client_for: ClientFor
) -> None:
    rows = [make_incident(make_monitor(organization, f"Job {n}")) for n in range(2)]
    which = [public(one) for one in rows]
    browser = client_for(bob)
    assert browser.post("/app/incidents/bulk", data={"do": "mute", "id": which, "choice": "date"}).status_code == 422
    assert browser.post("/app/incidents/bulk", data={"do": "mute", "id": which, "choice": "8h"}).status_code == 303
    assert all(fresh(one).muted_until for one in rows)


@pytest.mark.parametrize("do", ["acknowledge", "mute", "resolve"])
def test_very_many_take_several_requests_and_each_is_done_once(
    do: str, bob: User, organization: Organization, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident_sets, "AT_ONCE", 2)
    monkeypatch.setattr("tokiflow.web.incident_sets.PATIENCE", 0)
    rows = [make_incident(make_monitor(organization, f"Job {n}")) for n in range(5)]
    browser, form = client_for(bob), {"do": do, "all": "yes", "status": "unresolved", "choice": "1h"}
    seen = []
    while (answer := browser.post("/app/incidents/bulk", data=form)).status_code == 200:
        seen += re.findall(r"<h1[^>]*>([^<]+)</h1>", answer.text)
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))
    past = incident_sets_page.DEEDS[do].past
    assert seen == [f"2 of 5 incidents are {past}", f"4 of 5 incidents are {past}"]
    assert f"5 incidents were {past}." in page(browser, "?status=all")
    steps = select(IncidentEvent.incident_id).where(IncidentEvent.what == past)
    assert sorted(db.session.execute(steps).scalars()) == sorted(one.id for one in rows), "each, and once"
    assert len({fresh(one).muted_until for one in rows}) == 1


@pytest.mark.parametrize("do", ["acknowledge", "mute", "resolve"])
def test_as_many_statements_for_forty_as_for_two(do: str, bob: User, organization: Organization) -> None:
    make_channel(organization)

    def asked(number: int) -> int:
        which = [one.id for one in in_trouble(organization, number)]
        by, at = actor(bob), now()
        with statements() as sent:
            if do == "mute":
                incident_sets.mute(which, at + HOUR, by, at)
            else:
                (incident_sets.acknowledge if do == "acknowledge" else incident_sets.resolve)(which, by, at)
        return len(sent)

    asked(1)  # The first event begins the chain of the log.
    assert asked(2) == asked(40) < 40


# --- CSV --------------------------------------------------------------------------------------------------------


def test_what_is_filtered_comes_as_csv_without_formulas(
    vera: User, organization: Organization, client_for: ClientFor
) -> None:
    evil = make_monitor(organization, EVIL, tags=["db"])
    make_incident(evil, summary="@SUM(1)")
    make_incident(make_monitor(organization, "Other"))
    answer = client_for(vera).post("/app/tables/incidents", data={"status": "all", "tag": "db"})
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{organization.slug}-incidents-')
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (row["monitor"], row["summary"], row["status"]) == (f"'{EVIL}", "'@SUM(1)", "open")
    assert db.session.execute(select(AuditEvent.what)).scalars().all() == ["export.asked_for"]
    bad = client_for(vera).post("/app/tables/incidents", data={"kind": "nonsense"})
    assert bad.status_code == 303


def test_much_is_made_by_a_job(
    vera: User, organization: Organization, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = make_monitor(organization)
    for n in range(5):
        make_incident(monitor, n + 1, status="resolved")
    monkeypatch.setattr(incident_csv, "SMALL", 3)
    answer = client_for(vera).post("/app/tables/incidents", data={"status": "resolved"})
    assert answer.location.startswith("/app/settings/exports/exp_")
    db.session.rollback()
    row = db.session.execute(select(Export)).scalar_one()
    if row.status != "done":
        assert exports.make([row.id]) == 1
    row = fresh(row)
    lines = b"".join(exports.chunks(row, now())).decode().splitlines()
    assert len(lines) == 6
    assert client_for(vera).get(answer.location).status_code == 200


# --- whose it is ------------------------------------------------------------------------------------------------


def test_an_incident_is_given_to_bob_who_hears_of_it(
    alice: User, bob: User, organization: Organization, client_for: ClientFor
) -> None:
    one = make_incident(make_monitor(organization, "Nightly backup"))
    address = f"/app/incidents/{public(one)}/assign"
    assert client_for(alice).post(address, data={"to": ids.public("usr", bob.id)}).status_code == 303
    letter = db.session.execute(select(Letter)).scalar_one()
    assert (letter.to_address, letter.subject) == (bob.email, "Nightly backup: an incident is yours now")
    text = client_for(alice).get(f"/app/incidents/{public(one)}").text
    assert "Assigned it to Bob" in text
    assert "assigned to <bdi>Bob</bdi>" in page(client_for(alice))
    client_for(alice).post(address, data={"to": "me"})
    assert len(db.session.execute(select(Letter)).scalars().all()) == 1, "she took it herself"
    client_for(alice).post(address, data={"to": "nobody"})
    assert fresh(one).assigned_to is None
    whats = db.session.execute(select(AuditEvent.what).order_by(AuditEvent.n)).scalars().all()
    assert whats == ["incident.assigned", "incident.assigned", "incident.unassigned"]


def test_nobody_gets_it_who_may_not_work_on_it(
    bob: User, vera: User, charlie: User, organization: Organization, client_for: ClientFor
) -> None:
    one = make_incident(make_monitor(organization))
    for user in (vera, charlie):
        answer = client_for(bob).post(f"/app/incidents/{public(one)}/assign", data={"to": ids.public("usr", user.id)})
        assert answer.status_code == 422
    assert client_for(bob).post(f"/app/incidents/{public(one)}/assign", data={"to": "zzz"}).status_code == 422
    assert fresh(one).assigned_to is None


def test_whoever_may_only_look_from_now_on_has_none_that_goes_on(
    alice: User, bob: User, organization: Organization
) -> None:
    over, one = (make_incident(make_monitor(organization)) for _ in range(2))
    for incident in (over, one):
        incidents.assign(incident.id, bob.id, actor(alice), now())
    incidents.resolve(over.id, actor(bob), now())
    ours = presets.create(organization.id, "Ours", "status=open", True, actor(bob), now())
    memberships.set_role(organization.id, bob.id, Role.VIEWER, actor(alice), now())
    with pytest.raises(errors.Forbidden, match="not share"):
        presets.edit(ours, "Mine", True, actor(bob), now())
    presets.edit(ours, "Mine", False, actor(bob), now())
    assert (fresh(over).assigned_to, fresh(one).assigned_to) == (bob.id, None)
    steps = select(IncidentEvent).where(IncidentEvent.what == "unassigned")
    assert db.session.execute(steps).scalar_one().text == "Bob may only look by now"


def test_whoever_is_removed_has_nothing_any_more(alice: User, bob: User, organization: Organization) -> None:
    one = make_incident(make_monitor(organization))
    incidents.assign(one.id, bob.id, actor(alice), now())
    mine = presets.create(organization.id, "Mine", "status=open", False, actor(bob), now())
    ours = presets.create(organization.id, "Ours", "status=open", True, actor(bob), now())
    memberships.remove(organization.id, bob.id, actor(alice), now())
    assert fresh(one).assigned_to is None
    steps = select(IncidentEvent).where(IncidentEvent.what == "unassigned")
    assert db.session.execute(steps).scalar_one().text == "Bob is not in the organization any more"
    assert db.session.get(Preset, mine) is None
    assert db.session.get(Preset, ours) is not None
    presets.edit(ours, "Ours", False, actor(alice), now())
    assert fresh(db.session.get(Preset, ours)).user_id == alice.id, "kept by Bob nobody would find it"


# --- what is written --------------------------------------------------------------------------------------------


def test_a_comment_is_markdown_that_can_do_no_harm(
    bob: User, organization: Organization, client_for: ClientFor
) -> None:
    one = make_incident(make_monitor(organization))
    words = "**Disk** full, see https://wiki.example/disk\n<script>alert(1)</script> ![x](http://evil.example/p.png)"
    browser = client_for(bob)
    preview = browser.post(f"/app/incidents/{public(one)}/comment", data={"text": words, "preview": "yes"}).text
    assert "<strong>Disk</strong>" in preview
    assert "&lt;script&gt;" in preview
    assert db.session.execute(select(IncidentEvent)).first() is None, "that was only a look"
    browser.post(f"/app/incidents/{public(one)}/comment", data={"text": words})
    text = browser.get(f"/app/incidents/{public(one)}").text
    assert '<a href="https://wiki.example/disk" rel="nofollow noopener noreferrer">' in text
    assert "<script>alert" not in text
    assert '<img src="http' not in text


def test_ones_own_comment_is_changed_and_deleted_with_a_trace(
    bob: User, mia: User, organization: Organization, client_for: ClientFor
) -> None:
    one = make_incident(make_monitor(organization))
    incidents.comment(one.id, "The password is hunter2", actor(bob), now())
    event = db.session.execute(select(IncidentEvent)).scalar_one()
    address = f"/app/incidents/comments/{ids.public('cmt', event.id)}"
    assert client_for(mia).post(f"{address}/edit", data={"text": "x"}).status_code == 404
    assert client_for(bob).post(f"{address}/edit", data={"text": ""}).status_code == 422
    assert client_for(bob).post(f"{address}/edit", data={"text": "It was the disk"}).status_code == 303
    text = client_for(mia).get(f"/app/incidents/{public(one)}").text
    assert "It was the disk" in text
    assert "changed <time" in text
    assert f"{address}/edit" not in text, "it is not hers"
    client_for(bob).post(f"{address}/delete")
    text = client_for(bob).get(f"/app/incidents/{public(one)}").text
    assert "Wrote something, and deleted it" in text
    assert "It was the disk" not in text
    assert client_for(bob).post(f"{address}/edit", data={"text": "back"}).status_code == 404
    whats = db.session.execute(select(AuditEvent.what).order_by(AuditEvent.n)).scalars().all()
    assert whats == ["incident.commented", "incident.comment_edited", "incident.comment_deleted"]
    assert comments.LONGEST == 10_000


# --- snooze -----------------------------------------------------------------------------------------------------


def test_snooze_is_silent_and_then_reminds_whoever_was_told(bob: User, organization: Organization) -> None:
    make_channel(organization)
    (one,) = in_trouble(organization, 1)
    at = now()
    incidents.snooze(one.id, at + HOUR, actor(bob), at)
    kept = fresh(one)
    assert (kept.status, kept.acknowledged_by, kept.muted_until) == ("acknowledged", bob.name, at + HOUR)
    follow_ups.fire(at + HOUR - timedelta(seconds=1))
    assert _reminders(one) == 0
    follow_ups.fire(at + HOUR)
    assert _reminders(one) == 1
    follow_ups.fire(at + 2 * HOUR)
    assert _reminders(one) == 1, "once"


def test_nobody_is_reminded_of_what_is_over_or_was_woken(bob: User, organization: Organization) -> None:
    make_channel(organization)
    over, woken, again = in_trouble(organization, 3)
    at = now()
    for one in (over, woken, again):
        incidents.snooze(one.id, at + HOUR, actor(bob), at)
    incidents.resolve(over.id, actor(bob), at)
    incidents.mute(woken.id, None, actor(bob), at)
    incidents.snooze(again.id, at + 2 * HOUR, actor(bob), at)
    follow_ups.fire(at + HOUR)
    assert [_reminders(one) for one in (over, woken, again)] == [0, 0, 0]
    follow_ups.fire(at + 2 * HOUR)
    assert [_reminders(one) for one in (over, woken, again)] == [0, 0, 1]


def test_the_page_says_when_the_snooze_ends(bob: User, organization: Organization, client_for: ClientFor) -> None:
    make_channel(organization)
    (one,) = in_trouble(organization, 1)
    answer = client_for(bob).post(f"/app/incidents/{public(one)}/snooze", data={"choice": "8h"})
    assert answer.status_code == 303
    text = client_for(bob).get(f"/app/incidents/{public(one)}").text
    assert "whoever was told of it is reminded, as its snooze is over" in text
    assert "Snoozed until" in text


def _reminders(incident: Incident) -> int:
    db.session.rollback()
    done = select(FollowUp).where(FollowUp.incident_id == incident.id, FollowUp.outcome == "Reminded then.")
    return len(db.session.execute(done).scalars().all())


# --- what else there is -----------------------------------------------------------------------------------------


def test_related_incidents_say_what_they_have_in_common(
    alice: User, organization: Organization, other_organization: Organization, client_for: ClientFor
) -> None:
    one = make_incident(make_monitor(organization, "Nightly backup", tags=["db"]), 2)
    make_incident(make_monitor(organization, "Same tag", tags=["db"]), 7)
    make_incident(make_monitor(organization, "Same time"), 2.1)
    make_incident(make_monitor(organization, "Unrelated"), 9)
    make_incident(make_monitor(other_organization, "Foreign", tags=["db"]), 2)
    text = client_for(alice).get(f"/app/incidents/{public(one)}").text
    assert "Both tagged db, 5 h before" in text
    assert "6 m before" in text
    assert "Unrelated" not in text
    assert "Foreign" not in text


def test_how_it_went_before_is_told(alice: User, bob: User, organization: Organization, client_for: ClientFor) -> None:
    monitor = make_monitor(organization)
    first = make_incident(monitor, 50, status="resolved", resolved_by="Bob", resolved_by_person=True)
    make_incident(monitor, 30, status="resolved", resolved_by="Tokiflow")
    incidents.comment(first.id, "It was *the disk*.", actor(bob), now())
    text = client_for(alice).get(f"/app/incidents/{public(make_incident(monitor))}").text
    assert "Usually over after 1 h: 1 of the last 2 ended by itself." in text
    assert "resolved by <bdi>Bob</bdi>" in text
    assert "<em>the disk</em>" in text


def test_the_output_stands_beside_that_of_the_last_good_run(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    monitor = make_monitor(organization)
    for n, (signal, output) in enumerate(
        ((Signal.SUCCESS, b"begin\nwrote 8 rows\n"), (Signal.FAIL, b"begin\n<b>disk</b> full\naborting\n"))
    ):
        at = now() - timedelta(minutes=9 - n)
        ping = Ping(signal, at, body=output, body_size=len(output))
        pings.record([pings.Incoming(monitor.token, ping)], at)
    one = db.session.execute(select(Incident).where(Incident.monitor_id == monitor.id)).scalar_one()
    text = client_for(alice).get(f"/app/incidents/{public(one)}/difference").text
    assert "2 lines are new and 1 is missing against" in text
    assert re.search(r"Removed: </span>wrote 8 rows.*Added: </span>&lt;b&gt;disk&lt;/b&gt; full", text, re.S)
    assert "view=difference#output" in text


def test_where_there_is_nothing_to_compare_that_is_said(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    (one,) = in_trouble(organization, 1)
    text = client_for(alice).get(f"/app/incidents/{public(one)}/difference").text
    assert "there is nothing to compare with" in text
    silent = make_incident(make_monitor(organization))
    text = client_for(alice).get(f"/app/incidents/{public(silent)}/difference").text
    assert "No run is part of this trouble" in text
