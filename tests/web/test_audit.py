"""The page of the audit log: who sees it, what it says, and how it is narrowed down."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from tests.factories import make_channel, make_monitor
from tests.fixtures.app import Client
from tokiflow import channels as kinds
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.db import db, transaction
from tokiflow.models import AuditEvent, Export, Monitor, Organization, User
from tokiflow.queries import audit_chains
from tokiflow.services import audit, audit_walks, channels, exports, heartbeats, monitors

ClientFor = Callable[[User], Client]
URL = "/app/settings/audit-logs"
HTMX = {"HX-Request": "true", "HX-Target": "section#audit"}
# 23:30 in UTC is the next day in Berlin, where everybody of the stories is.
LATE = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
DAY = timedelta(days=1)
EVIL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def her(alice: User) -> Actor:
    return Actor("person", "Alice", alice.id, "203.0.113.7")


@pytest.fixture
def page(alice: User, client_for: ClientFor) -> Callable[..., str]:
    """`page("?q=…")`: what Alice sees."""
    client = client_for(alice)

    def look(query: str = "", status: int = 200) -> str:
        answer = client.get(URL + query)
        assert answer.status_code == status
        return words(answer.text)

    return look


def words(html: str) -> str:
    return " ".join(html.split())


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization)


def do(organization: Organization, what: str, by: Actor, at: datetime = LATE, **rest: Any) -> None:
    with transaction():
        audit.record(what, by, organization.id, at, **rest)


def test_only_who_may_see_it_does(
    organization: Organization, adam: User, bob: User, vera: User, charlie: User, client_for: ClientFor
) -> None:
    do(organization, "monitor.created", TOKIFLOW, object_name="Nightly backup")
    assert "Nightly backup" in client_for(adam).get(URL).text
    assert client_for(bob).get(URL).status_code == client_for(vera).get(URL).status_code == 403
    assert "Nightly backup" not in client_for(charlie).get(URL).text


def test_an_empty_log_says_what_will_be_here(page: Callable[..., str]) -> None:
    assert "Nothing was done here yet" in page()
    assert "No event matches" in page("?q=nothing")


def test_each_event_is_a_sentence_with_what_changed(
    organization: Organization, monitor: Monitor, her: Actor, page: Callable[..., str]
) -> None:
    monitors.edit(monitor.id, {"name": "Backup of all"}, her, LATE)
    ops = make_channel(organization, name="Ops")
    values = {"grace_seconds": 900, "tags": ["db", "nightly"], "channels": [ids.public("chn", ops.id)]}
    monitors.edit(monitor.id, values, her, LATE + timedelta(hours=1))
    seen = page()
    assert '<bdi class="thing">Nightly backup</bdi></a><bdi> to Backup of all</bdi>' in seen
    assert f'href="/app/monitors/{ids.public("mon", monitor.id)}"' in seen
    assert "1 Jul 2026" in seen
    assert "30 Jun 2026" not in seen, "days are the viewer's"
    assert 'title="Wed 1 Jul 2026, 01:30:00 CEST">01:30:00 CEST</time>' in seen
    assert 'from <span class="mono">203.0.113.7</span>' in seen
    assert "<bdi>5 minutes</bdi></del>" in seen
    assert "<bdi>15 minutes</bdi></ins>" in seen
    assert "<bdi>db, nightly</bdi>" in seen
    assert "<bdi>Ops</bdi>" in seen, "a channel is called by its name"


def test_what_is_gone_has_no_link(monitor: Monitor, her: Actor, page: Callable[..., str]) -> None:
    monitors.delete(monitor.id, her, LATE)
    seen = page()
    assert "deleted the monitor" in seen
    assert f"/app/monitors/{ids.public('mon', monitor.id)}" not in seen


def test_long_values_are_folded_and_strangers_words_stay_words(
    organization: Organization, her: Actor, page: Callable[..., str]
) -> None:
    after = {EVIL: EVIL, "nested": {"deep": {"list": [EVIL, None, True]}}, "long": "x" * 500, "odd": [[], {}, {"a": 1}]}
    do(organization, "monitor.edited", Actor("slack", EVIL), object_name=EVIL, before={"long": ""}, after=after)
    do(organization, "monitor.paused", her, object_name="", after={"until": "not a moment"})
    do(organization, "monitor.paused", her, object_name="Odd", after={"until": "9999-12-31T23:59:59+00:00"})
    do(organization, "nobody.knows_this", her, object_name="Thing")
    seen = page()
    assert EVIL not in seen
    assert '<details class="long"' in seen
    assert "Nested · deep · list" in seen
    assert "knows this: nobody" in seen
    assert "No event matches" in page(f"?q={'y' * 5000}")
    assert "alert(1)" in page(f"?q={EVIL}")


def test_a_secret_never_shows(organization: Organization, her: Actor, page: Callable[..., str]) -> None:
    secret = "s3cr3t-of-the-hook"
    config = {"url": "https://example.com/hook", "secret": secret, "headers": {"Authorization": secret}}
    config = {name: value for name, value in config.items() if name in kinds.get("webhook").validate(config)}
    made = channels.create(organization.id, {"kind": "webhook", "name": "Hook", "config": config}, her, LATE)
    channels.edit(made, {"config": {**config, "secret": "another-s3cr3t-of-it"}}, her, LATE)
    # Even if somebody forgot once.
    do(organization, "api_key.created", her, after={"token": secret, "signing_secret": [secret], "password": secret})
    kept = str(db.session.execute(select(AuditEvent.before, AuditEvent.after).order_by(AuditEvent.id).limit(2)).all())
    assert "s3cr3t" not in kept
    assert "'secret': 'replaced'" in kept
    seen = page()
    assert "s3cr3t" not in seen
    assert seen.count("<bdi>hidden</bdi>") == 3


def test_filters_stand_in_the_address_and_combine(
    organization: Organization, monitor: Monitor, her: Actor, bob: User, page: Callable[..., str]
) -> None:
    he, mon = Actor("person", "Bob", bob.id), ids.public("mon", monitor.id)
    do(organization, "monitor.created", her, LATE - DAY, object_id=monitor.id, object_name="First")
    do(organization, "monitor.paused", her, LATE, object_id=monitor.id, object_name="Second")
    do(organization, "monitor.paused", he, LATE, object_name="Third")
    do(organization, "channel.created", he, LATE, object_name="Fourth")

    def shown(query: str) -> list[str]:
        seen = page(query)
        return [one for one in ("First", "Second", "Third", "Fourth") if f'<bdi class="thing">{one}' in seen]

    bobs = ids.public("usr", bob.id)
    assert shown("") == ["First", "Second", "Third", "Fourth"]
    assert shown(f"?who={bobs}") == ["Third", "Fourth"]
    assert shown("?what=monitor") == ["First", "Second", "Third"]
    assert shown("?what=monitor.paused") == ["Second", "Third"]
    assert shown(f"?what=monitor.paused&who={bobs}") == ["Third"]
    assert shown(f"?thing={mon}") == ["First", "Second"]
    assert shown(f"?thing={mon}&q=sec") == ["Second"]
    assert shown("?from=2026-07-01") == ["Second", "Third", "Fourth"], "by the viewer's midnight"
    assert shown("?until=2026-06-30") == ["First"]
    assert shown("?from=2026-07-02") == shown("?who=slack") == shown("?from=2026-07-01&until=2026-06-01") == []
    assert f'<option value="{bobs}" selected>' in page(f"?who={bobs}")


@pytest.mark.parametrize(
    "query",
    [
        "?who=nobody&what=x&thing=mon_1&from=tomorrow&until=2026-13-01",
        "?from=0001-01-01&until=9999-12-31",
        "?who=usr_&what=monitor.&thing=_&from=&until=",
        "?q=%00%ff%ed%a0%80",
        "?what=" + "a" * 90 + ".b",
        "?who[]=1&what[]=2",
    ],
    ids=range(6),
)
def test_what_it_does_not_understand_it_ignores(
    organization: Organization, her: Actor, page: Callable[..., str], query: str
) -> None:
    do(organization, "monitor.created", her, object_name="Backup")
    page(query)


def test_a_broken_cursor_is_refused_kindly(page: Callable[..., str]) -> None:
    assert "not one of ours" in page("?after=x", 400)


def test_somebody_who_is_gone_can_still_be_chosen(
    organization: Organization, her: Actor, page: Callable[..., str]
) -> None:
    gone = Actor("person", "Dora", ids.new())
    do(organization, "monitor.created", gone, object_name="Backup")
    assert gone.id
    dora = ids.public("usr", gone.id)
    assert f"who={dora}" in page()
    assert f'<option value="{dora}" selected>Dora</option>' in page(f"?who={dora}")
    assert "Somebody who is not here any more" in page(f"?who={ids.public('usr', ids.new())}")


def test_pages_go_on_with_the_same_filter(organization: Organization, her: Actor, page: Callable[..., str]) -> None:
    for n in range(60):
        do(organization, "monitor.paused", her, LATE + timedelta(minutes=n), object_name=f"Job {n:02}")
    seen = page("?what=monitor")
    assert "50 of 60 events, newest first" in seen
    assert "Job 59" in seen
    older = seen.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "what=monitor" in older
    rest = page(older.removeprefix(URL))
    assert "Job 09" in rest
    assert "Job 10" not in rest


def test_htmx_gets_the_part_and_a_clean_address(
    organization: Organization, alice: User, her: Actor, client_for: ClientFor
) -> None:
    do(organization, "monitor.created", her, object_name="Backup")
    answer = client_for(alice).get(f"{URL}?q=Back&who=&what=&from=&until=", headers=HTMX)
    assert answer.text.lstrip().startswith('<section id="audit"')
    assert answer.headers["HX-Push-Url"] == f"{URL}?q=Back"


def test_the_export_holds_what_the_page_shows(
    organization: Organization, alice: User, her: Actor, client_for: ClientFor
) -> None:
    do(organization, "monitor.created", her, object_name="=cmd|' /C calc'!A0")
    do(organization, "channel.created", her, object_name="Ops")
    client = client_for(alice)
    answer = client.post(f"{URL}/export", data={"what": "monitor", "q": "", "from": "2026-07-01"})
    assert answer.status_code == 303
    asked = db.session.execute(select(Export)).scalar_one()
    assert answer.headers["Location"].endswith(ids.public("exp", asked.id))
    assert exports.make([asked.id], lambda: asked.created_at) == 1
    row = db.session.get_one(Export, asked.id, populate_existing=True)
    data = b"".join(exports.chunks(row, asked.created_at)).decode()
    (line,) = csv.DictReader(io.StringIO(data, newline=""))
    assert (line["object"], line["by"], line["address"]) == ("'=cmd|' /C calc'!A0", "Alice", "203.0.113.7")
    event = db.session.execute(select(AuditEvent).where(AuditEvent.what == "export.asked_for")).scalar_one()
    assert (event.by, event.after["only"]["since"]) == ("Alice", "2026-06-30T22:00:00+00:00")


def test_what_an_abbreviation_names_stays_one(organization, page, her):
    after = {"url": "https://status.harbour.example", "method": "POST"}
    do(organization, "channel.created", her, object_name="Board", after=after)
    assert "Details: URL, method" in page()


def test_it_says_until_where_it_was_verified(
    organization: Organization, alice: User, adam: User, her: Actor, page: Callable[..., str], client_for: ClientFor
) -> None:
    do(organization, "monitor.created", her, object_name="Backup")
    assert "Not verified yet" in page()
    soon = datetime.now(UTC) + timedelta(seconds=5)
    audit_walks.walk_due(soon)
    chain = audit_chains.get(organization.id)
    assert chain is not None
    head = f'value="1:{chain.hash}"'
    seen = page()
    assert "Verified" in seen
    assert head in seen
    do(organization, "monitor.paused", her, object_name="Backup")
    assert "until event 1 of 2" in page()
    with transaction():
        db.session.execute(text("update audit_events set \"by\" = 'Mallory' where n = 1"))
    audit_walks.walk_due(soon + DAY)
    for kind in ("clock", "worker"):
        heartbeats.beat(kind)
    seen = page()
    assert "This log does not hold." in seen
    assert "Event 1 does not say what was written." in seen
    for where in ("/app/monitors", "/app"):
        assert "The audit log of this organization does not hold." in client_for(alice).get(where).text
        assert "does not hold" not in client_for(adam).get(where).text, "owners are told"
