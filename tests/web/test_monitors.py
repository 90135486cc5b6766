"""Monitors: the list, one monitor, the form, and what people do to one; all of it without JavaScript."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.app import Client
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db
from tokiflow.models import Erasure, Monitor, Organization, Ping, Run, User
from tokiflow.queries import monitors as read
from tokiflow.services import erasures
from tokiflow.services import monitors as service

ClientFor = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def now() -> datetime:
    """The time of the story, not of the start of the run: pages say how long ago something was."""
    return datetime.now(UTC)


FORM = {
    "name": "Nightly backup",
    "tags": "db, prod",
    "kind": "cron",
    "cron_expression": "0 2 * * *",
    "timezone": "Europe/Berlin",
    "grace": "5 min",
    "max_runtime": "30 min",
    "early_tolerance": "",
    "failures_to_open": "1",
    "successes_to_resolve": "1",
    "overlaps_allowed": "y",
    "capture_output": "y",
    "heard_by": "all",
    "description": "",
}


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def alices(client_for: ClientFor, alice: User) -> Client:
    return client_for(alice)


def url(monitor: Monitor, *rest: str) -> str:
    return "/".join(["/app/monitors", ids.public("mon", monitor.id), *rest])


def the_monitor() -> Monitor:
    return db.session.execute(select(Monitor)).scalar_one()


def a_run(monitor: Monitor, **values: Any) -> Run:
    usual = {
        "monitor_id": monitor.id,
        "at": now() - timedelta(minutes=5),
        "started_at": now() - timedelta(minutes=5),
        "finished_at": now() - timedelta(minutes=2),
        "duration_ms": 180_000,
        "outcome": "success",
        "exit_code": 0,
    }
    return save(Run(**{**usual, **values}))


# the list


def test_an_empty_list_teaches_and_leads_to_the_form(alices: Client) -> None:
    body = alices.get("/app/monitors").text
    assert "No monitors yet" in body
    assert 'href="/app/monitors/new"' in body


def test_search_status_and_tag_live_in_the_address(alices: Client, organization: Organization) -> None:
    make_monitor(organization, "Backup of orders", tags=["db"], status="down")
    make_monitor(organization, "Backup of images", tags=["files"], status="up", due_at=now() + timedelta(hours=1))
    make_monitor(organization, "Invoices", tags=["db"], status="up", due_at=now() - timedelta(minutes=1))
    assert "Invoices" not in alices.get("/app/monitors?q=back+up").text.replace("Backup", "")
    assert listed(alices, "?q=backup") == ["Backup of orders", "Backup of images"]
    assert listed(alices, "?tag=db&sort=name") == ["Backup of orders", "Invoices"]
    assert listed(alices, "?status=late") == ["Invoices"]
    assert listed(alices, "?status=nonsense&sort=nonsense&page=-1") == [
        "Backup of orders",
        "Invoices",
        "Backup of images",
    ]


def listed(client: Client, query: str) -> list[str]:
    return re.findall(r'<a class="name clamp"[^>]*>([^<]+)</a>', client.get(f"/app/monitors{query}").text)


def test_nothing_found_offers_to_clear_the_filters(alices: Client, organization: Organization) -> None:
    make_monitor(organization)
    body = alices.get("/app/monitors?q=zebra").text
    assert "No monitor matches" in body
    assert "Clear filters" in body
    assert 'value="zebra"' in body


def test_pages_of_fifty_say_where_one_is(alices: Client, organization: Organization) -> None:
    for number in range(53):
        make_monitor(organization, f"Job {number:03}")
    assert "1–50 of 53 monitors" in alices.get("/app/monitors?sort=name").text
    assert listed(alices, "?sort=name&page=2") == ["Job 050", "Job 051", "Job 052"]
    assert listed(alices, "?sort=name&page=9999") == ["Job 050", "Job 051", "Job 052"]


def test_htmx_gets_the_list_alone_and_the_state_of_the_whole(alices: Client, organization: Organization) -> None:
    make_monitor(organization)
    part = alices.get("/app/monitors", headers=HTMX)
    assert "<!doctype" not in part.text
    assert 'id="monitors"' in part.text
    assert 'id="state"' in part.text
    assert "HX-Request" in part.headers["Vary"]


def test_the_list_costs_the_same_for_one_and_for_fifty(alices: Client, organization: Organization) -> None:
    make_monitor(organization, status="down")
    alices.get("/app/monitors")
    with_one = statements(alices, "/app/monitors")
    for number in range(49):
        make_monitor(organization, f"Job {number}", status="down", tags=[f"tag-{number}"])
    assert statements(alices, "/app/monitors") == with_one


def statements(client: Client, address: str) -> int:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert client.get(address).status_code == 200
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return len(seen)


def test_names_of_others_are_escaped(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(
        organization, '<img src=x onerror="alert(1)">', tags=["<b>"], description="<script>x</script>"
    )
    for address in ("/app/monitors", url(monitor), url(monitor, "edit"), url(monitor, "delete"), url(monitor, "pause")):
        body = alices.get(address).text
        assert "<img src=x" not in body
        assert "<b>" not in body
        assert "<script>x" not in body


# one monitor


def test_a_new_monitor_waits_for_its_first_ping_with_the_line(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization)
    body = alices.get(url(monitor)).text
    assert f"/ping/{monitor.token}" in body
    assert "Waiting for its first ping." in body
    assert 'data-live="2"' in body
    for place in ("crontab", "tokiflow run", "PowerShell", "systemd", "Kubernetes"):
        assert f">{place}</label>" in body


def test_a_monitor_says_how_it_stands_in_a_sentence(alices: Client, alice: User, organization: Organization) -> None:
    monitor = make_monitor(
        organization,
        schedule_kind="cron",
        schedule_seconds=None,
        schedule_expression="0 2 * * *",
        schedule_timezone="Asia/Tokyo",
        status="up",
        last_ping_at=now() - timedelta(minutes=2),
        due_at=now() + timedelta(hours=3),
        deadline_at=now() + timedelta(hours=3, minutes=5),
    )
    a_run(monitor)
    body = alices.get(url(monitor)).text
    assert "Ran 2 min ago in 3 m." in body
    assert re.search(r"Next expected .+, which is .+ in Tokyo, down at ", body)


def test_a_send_test_ping_button_sends_one(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization)
    answer = alices.post(url(monitor, "ping"))
    assert answer.status_code == 303
    assert the_monitor().status == "up"
    assert "Sent a test ping" in alices.get(url(monitor)).text


def test_a_running_job_shows_its_bar_and_its_steps(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization, status="up", running=1, last_ping_at=now())
    progress = {"percent": 62, "step": 2, "total": 5, "name": "copying"}
    run = a_run(monitor, outcome="running", finished_at=None, duration_ms=None, exit_code=None, progress=progress)
    for n, name in enumerate(("connect", "copying"), start=1):
        save(
            Ping(
                monitor_id=monitor.id, n=n, at=now() - timedelta(minutes=5 - n), signal="log", run_id=run.id,
                progress={"step": n, "total": 5, "name": name}, method="POST",
            )
        )  # fmt: skip
    body = alices.get(url(monitor)).text
    assert 'aria-valuenow="62"' in body
    assert "Step 1 of 5: connect" in body
    assert "1 m" in body


def test_the_page_costs_the_same_for_no_and_for_many_runs(alices: Client, organization: Organization) -> None:
    few, many = make_monitor(organization, "Few"), make_monitor(organization, "Many")
    a_run(few)
    for number in range(40):
        a_run(many, at=now() - timedelta(hours=number), metrics={"rows": number})
    alices.get(url(few))
    assert statements(alices, url(few)) == statements(alices, url(many))
    assert "Its own numbers" in alices.get(url(many)).text


def test_a_run_without_any_length_looks_right(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization, status="up", last_ping_at=now())
    run = a_run(monitor, started_at=None, duration_ms=None, exit_code=None)
    assert "Pinged " in alices.get(url(monitor)).text
    assert alices.get(url(monitor, "runs", ids.public("run", run.id))).status_code == 200


# the form


def test_a_monitor_is_made_from_the_form(alices: Client, organization: Organization) -> None:
    answer = alices.post("/app/monitors/new", data=FORM)
    made = the_monitor()
    assert (answer.status_code, answer.headers["Location"]) == (303, url(made))
    assert (made.name, made.tags, made.schedule_expression) == ("Nightly backup", ["db", "prod"], "0 2 * * *")
    assert (made.grace_seconds, made.max_runtime_seconds, made.early_tolerance_seconds) == (300, 1800, 0)
    assert made.overlaps_allowed
    assert made.capture_output


def test_the_zone_of_the_form_is_the_persons(alices: Client) -> None:
    assert '<option selected value="Europe/Berlin">' in alices.get("/app/monitors/new").text


def test_every_mistake_is_named_and_nothing_typed_is_lost(alices: Client) -> None:
    typed = FORM | {
        "name": " ",
        "cron_expression": "99 2 * *",
        "timezone": "Europe/Berln",
        "grace": "soon",
        "max_runtime": "a while",
        "failures_to_open": "0",
        "successes_to_resolve": "many",
        "description": "Call Bob.",
    }
    answer = alices.post("/app/monitors/new", data=typed)
    assert answer.status_code == 422
    for field in ("name", "cron_expression", "timezone", "grace", "max_runtime", "failures_to_open"):
        assert f'id="{field}-error"' in answer.text, field
        assert f'<a href="#{field}">' in answer.text, field
    for kept in ('value="99 2 * *"', 'value="soon"', 'value="a while"', 'value="many"', "Call Bob."):
        assert kept in answer.text
    assert db.session.execute(select(Monitor)).first() is None


@pytest.mark.parametrize(
    "odd",
    [
        {"kind": ""},
        {"kind": "sundial"},
        {"every_number": "1e400", "kind": "every"},
        {"every_number": "nan", "kind": "every", "every_unit": "hours"},
        {"every_unit": "fortnights", "kind": "every", "every_number": "1"},
        {"name": "x" * 5000},
        {"tags": ",".join(f"t{k}" for k in range(30))},
        {"heard_by": "own", "channels": "chn_nonsense"},
        {"heard_by": "own", "channels": ids.public("chn", ids.new())},
        {"description": "\x00" * 20_000 + "x" * 20_000},
        {"failures_to_open": "٣"},
    ],
)
def test_odd_input_is_refused_beside_its_field(alices: Client, odd: dict[str, str]) -> None:
    assert alices.post("/app/monitors/new", data=FORM | odd).status_code == 422


def test_a_preset_fills_the_schedule_and_keeps_the_rest_without_javascript(alices: Client) -> None:
    answer = alices.post("/app/monitors/new", data=FORM | {"kind": "every", "cron_expression": "", "preset": "2"})
    assert answer.status_code == 200
    assert 'value="0 2 * * *"' in answer.text
    assert "Every day at 02:00, Berlin" in answer.text
    assert 'value="Nightly backup"' in answer.text
    assert db.session.execute(select(Monitor)).first() is None


def test_the_preview_works_without_javascript_and_writes_nothing(alices: Client) -> None:
    answer = alices.post("/app/monitors/new", data=FORM | {"preview": "1"})
    assert answer.status_code == 200
    assert "Every day at 02:00, Berlin" in answer.text
    assert db.session.execute(select(Monitor)).first() is None


def test_the_preview_tells_the_next_ten_runs_in_both_zones_and_warns_of_the_clocks(alices: Client) -> None:
    asked = {"kind": "cron", "cron_expression": "30 2 * * *", "timezone": "America/New_York", "grace": "5 min"}
    body = alices.get("/app/monitors/preview", query_string=asked).text
    assert body.count("<strong>02:30</strong>") >= 9
    assert "New York" in body
    assert "Berlin" in body
    assert "clocks in America/New_York go forward" in body
    assert "Without a ping it is late from" in body


@pytest.mark.parametrize(
    "asked", [{}, {"kind": "cron", "cron_expression": "* *"}, {"grace": "x" * 10_000}, {"kind": "\x00"}]
)
def test_the_preview_of_nonsense_says_what_is_wrong(alices: Client, asked: dict[str, str]) -> None:
    assert alices.get("/app/monitors/preview", query_string=asked).status_code == 200


def test_editing_keeps_what_is_not_changed(alices: Client, organization: Organization) -> None:
    channel = make_channel(organization)
    monitor = make_monitor(organization, tags=["db"], channels=[channel], early_tolerance_seconds=90)
    body = alices.get(url(monitor, "edit")).text
    assert 'value="1 minute 30 seconds"' in body
    assert re.search(rf'checked[^>]*value="{ids.public("chn", channel.id)}"', body)
    answer = alices.post(url(monitor, "edit"), data=filled(body) | {"name": "Renamed"})
    assert answer.status_code == 303
    after = the_monitor()
    assert (after.name, after.schedule_seconds, after.early_tolerance_seconds) == ("Renamed", 3600, 90)
    assert read.own_channels([after.id]) == {after.id: [channel.id]}


def filled(body: str) -> dict[str, str]:
    """What a browser would send of the form in `body`, with one value a field."""
    sent: dict[str, str] = {}
    body = body.partition('id="monitor-form"')[2].partition("</form>")[0]
    for tag in re.findall(r"<input [^>]*>", body):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if found.get("type") in ("radio", "checkbox") and " checked" not in tag:
            continue
        sent[found["name"]] = html.unescape(found.get("value", ""))
    for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', body, re.S):
        chosen = re.search(r'<option selected value="([^"]*)"', options)
        sent[name] = chosen[1] if chosen else ""
    return sent


def test_two_people_editing_see_each_other(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization)
    opened = filled(alices.get(url(monitor, "edit")).text)
    service.edit(monitor.id, {"name": "Bob's name", "grace_seconds": 60}, TOKIFLOW, datetime.now(UTC))
    answer = alices.post(url(monitor, "edit"), data=opened | {"name": "Alice's name"})
    assert answer.status_code == 409
    assert "Bob&#39;s name" in answer.text
    assert "Alice&#39;s name" in answer.text
    assert "1 minute" in answer.text
    assert the_monitor().name == "Bob's name"
    again = alices.post(url(monitor, "edit"), data=filled(answer.text))
    assert again.status_code == 303
    assert the_monitor().name == "Alice's name"


# what people do


@pytest.mark.parametrize(
    ("choice", "least", "most"), [("1h", 59, 61), ("8h", 479, 481), ("tomorrow", 1, 60 * 48), ("open", None, None)]
)
def test_a_pause_ends_when_it_was_said_to(
    alices: Client, organization: Organization, choice: str, least: int | None, most: int | None
) -> None:
    monitor = make_monitor(organization, status="up", due_at=now(), deadline_at=now())
    assert "Until tomorrow 09:00" in alices.get(url(monitor, "pause")).text
    assert alices.post(url(monitor, "pause"), data={"choice": choice}).status_code == 303
    after = the_monitor()
    assert after.status == "paused"
    if least is None or most is None:
        assert after.paused_until is None
    else:
        assert after.paused_until
        assert timedelta(minutes=least) < after.paused_until - now() < timedelta(minutes=most)
    assert "Paused by Alice" in alices.get(url(monitor)).text
    assert alices.post(url(monitor, "resume")).status_code == 303
    assert the_monitor().status != "paused"


@pytest.mark.parametrize("until", ["", "yesterday", "2001-01-01T09:00", "0000-99-99", "9999-12-31T23:59"])
def test_a_pause_until_no_moment_to_come_is_refused(alices: Client, organization: Organization, until: str) -> None:
    monitor = make_monitor(organization)
    answer = alices.post(url(monitor, "pause"), data={"choice": "date", "until": until})
    assert answer.status_code == 422
    assert the_monitor().status == "new"


def test_rotation_says_what_it_means_and_then_does_it(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization)
    old = monitor.token
    assert "stops working at once" in alices.get(url(monitor, "rotate-token")).text
    assert the_monitor().token == old
    alices.post(url(monitor, "rotate-token"))
    assert the_monitor().token != old


def test_deletion_counts_what_goes_and_then_takes_it(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization)
    a_run(monitor)
    dialog = alices.get(url(monitor, "delete"), headers=HTMX)
    assert "<!doctype" not in dialog.text
    assert "<strong>1</strong> run with its output" in dialog.text
    answer = alices.post(url(monitor, "delete"), headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/app/monitors"
    erasures.erase(db.session.execute(select(Erasure.monitor_id)).scalars().all(), now())
    assert db.session.execute(select(Run)).first() is None
    assert "Deleted Nightly backup." in alices.get("/app/monitors").text


# runs


def test_all_runs_come_by_page(alices: Client, organization: Organization) -> None:
    monitor = make_monitor(organization)
    for number in range(55):
        a_run(monitor, at=now() - timedelta(hours=number), finished_at=now() - timedelta(hours=number))
    first = alices.get(url(monitor, "runs")).text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = alices.get(older[1].replace("&amp;", "&")).text
    assert (first.count("data-item"), second.count("data-item")) == (50, 5)
    assert alices.get(url(monitor, "runs") + "?before=nonsense").status_code == 400


# who may


def test_an_outsider_finds_nothing_and_a_viewer_only_looks(
    client_for: ClientFor, vera: User, charlie: User, organization: Organization
) -> None:
    monitor = make_monitor(organization)
    run = a_run(monitor)
    pages = [url(monitor), url(monitor, "runs"), url(monitor, "runs", ids.public("run", run.id))]
    deeds = [url(monitor, deed) for deed in ("edit", "pause", "rotate-token", "delete")]
    for address in (*pages, *deeds):
        assert client_for(charlie).get(address).status_code == 404, address
    for address in pages:
        assert client_for(vera).get(address).status_code == 200, address
    for address in (*deeds, "/app/monitors/new", "/app/monitors/preview"):
        assert client_for(vera).get(address).status_code == 403, address
    for deed in ("edit", "pause", "resume", "rotate-token", "delete", "ping"):
        assert client_for(vera).post(url(monitor, deed)).status_code == 403, deed
        assert client_for(charlie).post(url(monitor, deed)).status_code == 404, deed
    body = client_for(vera).get(url(monitor)).text
    assert "Send a test ping" not in body
    assert "/edit" not in body


def test_a_run_is_only_found_at_its_own_monitor(alices: Client, organization: Organization) -> None:
    one, other = make_monitor(organization, "One"), make_monitor(organization, "Other")
    run = a_run(one)
    assert alices.get(url(other, "runs", ids.public("run", run.id))).status_code == 404
