"""Channels: added, changed, tested, disabled and deleted, each by whom it may be."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.app import Client
from tokiflow import outside
from tokiflow.channels import Outside
from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.errors import DeliveryError
from tokiflow.models import Alert, Attempt, Channel, Delivery, Incident, Organization, Summary, User

ClientFor = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
URL = "https://hooks.example.com/in/the-secret-path"
CONFIG = {"url": URL, "secret": "s3cret", "headers": {"Authorization": "Bearer 1"}, "method": "POST", "template": None}
WRITTEN = {"name": "Pager", "url": URL, "method": "PUT", "secret": "s3cret", "headers": "X-Team: ops\n\nX-Two: a:b"}


class Answer:
    """What the other side says to a test."""

    status_code, text, retry_after = 200, "thanks", None

    @property
    def headers(self) -> dict[str, str]:
        return {}


class FakeHttp:
    """Takes what is sent, or refuses it as it was told."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.error: DeliveryError | None = None

    def send(self, method: str, url: str, **_: Any) -> Answer:
        self.sent.append(url)
        if self.error:
            raise self.error
        return Answer()


class FakeMailer:
    def send(self, message: EmailMessage) -> str:
        return "250 queued"


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def http(app: Flask) -> Iterator[FakeHttp]:
    before, fake = outside.of(app), FakeHttp()
    outside.use(app, Outside(fake, FakeMailer(), "Tokiflow <alerts@example.com>", "http://localhost"))
    yield fake
    outside.use(app, before)


@pytest.fixture
def channel(organization: Organization) -> Channel:
    return make_channel(organization, "webhook", name="Pager", config=dict(CONFIG))


def address(channel: Channel, action: str = "") -> str:
    return f"/app/channels/{ids.public('chn', channel.id)}" + (f"/{action}" if action else "")


def kept(channel: Channel) -> Channel:
    return db.session.get_one(Channel, channel.id, populate_existing=True)


def the_only() -> Channel:
    return db.session.execute(select(Channel)).scalar_one()


def make_deliveries(channel: Channel, *statuses: str) -> None:
    for status in statuses:
        at = datetime.now(UTC)
        alert = save(Alert(organization_id=channel.organization_id, kind="test", at=at, content={}))
        delivery = save(
            Delivery(
                organization_id=channel.organization_id, alert_id=alert.id, channel_id=channel.id, status=status,
                attempts=1, next_attempt_at=at, sent_at=at if status == "sent" else None,
            )
        )  # fmt: skip
        save(Attempt(delivery_id=delivery.id, n=1, at=at, duration_ms=120, ok=status == "sent", response="said <b>"))


# The list.


def test_the_list_says_where_each_leads_without_its_secrets(
    vera: User, channel: Channel, organization: Organization, client_for: ClientFor
) -> None:
    make_deliveries(channel, *(["sent"] * 19), "dead")
    make_channel(organization, "email", name="Ops by mail", config={"to": ["ops@example.com"]})
    make_channel(
        organization, "slack", name="Old room", config={"url": "https://hooks.slack.com/services/T0/B0/xyz"},
        enabled=False, disabled_reason="Slack answered 404: no_service",
    )  # fmt: skip
    page = client_for(vera).get("/app/channels").text
    for said in ("Pager", "19 of 20 arrived", "95 %", "ops@<wbr>example.<wbr>com", "Slack answered 404: no_service"):
        assert said in page, said
    for secret in ("the-secret-path", "s3cret", "Bearer 1", "T0/B0/xyz"):
        assert secret not in page
    assert "Add a channel" not in page


def test_without_channels_the_list_says_that_nobody_hears(alice: User, vera: User, client_for: ClientFor) -> None:
    assert "Incidents open and nobody hears of them" in client_for(alice).get("/app/channels").text
    assert "Ask an admin or owner" in client_for(vera).get("/app/channels").text


# Adding one.


def test_alice_adds_each_kind(alice: User, client_for: ClientFor) -> None:
    browser = client_for(alice)
    choices = browser.get("/app/channels/new").text
    fields = {
        "email": {"name": "Ops", "to": "ops@example.com\nAlice@Example.com"},
        "slack": {"name": "#ops", "url": "https://hooks.slack.com/services/T0/B0/xyz"},
        "telegram": {"name": "Ops", "token": f"123456789:{'A' * 35}", "chat": "t.me/harbour_ops", "topic": "7"},
        "ntfy": {"name": "Alice’s phone", "topic": "harbour-7fk2x9qd"},
        "pushover": {"name": "On call", "token": "a" * 30, "user": "u" * 30, "urgency": "emergency"},
        "webhook": WRITTEN,
    }
    for kind, written in fields.items():
        assert f"/app/channels/new/{kind}" in choices
        assert browser.get(f"/app/channels/new/{kind}").status_code == 200
        answer = browser.post(f"/app/channels/new/{kind}", data=written)
        assert answer.status_code == 303, answer.text
        assert browser.get(answer.location).status_code == 200
    made = {one.kind: one.config for one in db.session.execute(select(Channel)).scalars()}
    assert made["email"] == {"to": ["ops@example.com", "Alice@example.com"]}
    assert made["webhook"] == {
        "url": URL, "secret": "s3cret", "method": "PUT", "headers": {"X-Team": "ops", "X-Two": "a:b"}, "template": None,
    }  # fmt: skip


def test_that_there_shall_be_no_secret_is_offered_where_there_is_one(alice: User, client_for: ClientFor) -> None:
    browser = client_for(alice)
    assert "Send without an access token" not in browser.get("/app/channels/new/ntfy").text
    browser.post("/app/channels/new/ntfy", data={"name": "N", "topic": "harbour", "token": "tk_1"})
    edit = f"/app/channels/{ids.public('chn', the_only().id)}/edit"
    assert "Send without an access token" in browser.get(edit).text
    browser.post(edit, data={"name": "N", "topic": "harbour", "token": "", "no_token": "y", "version": "0"})
    assert the_only().config["token"] is None


def test_a_channel_for_people_gathers_and_one_for_machines_does_not(alice: User, client_for: ClientFor) -> None:
    browser = client_for(alice)
    assert re.search(r'checked[^>]*value="together"', browser.get("/app/channels/new/slack").text)
    assert re.search(r'checked[^>]*value="each"', browser.get("/app/channels/new/webhook").text)
    browser.post("/app/channels/new/slack", data={"name": "#ops", "url": "https://hooks.slack.com/services/T0/B0/xyz"})
    made = the_only()
    assert (made.group_after, made.group_window_seconds, made.rate_per_hour) == (5, 60, None)


def test_alice_says_how_much_a_channel_takes(alice: User, channel: Channel, client_for: ClientFor) -> None:
    browser = client_for(alice)
    limits = {"many": "together", "group_after": "3", "group_window_seconds": "2 min", "rate_per_hour": "12"}
    written = {**WRITTEN, "version": str(channel.version), **limits}
    assert browser.post(address(channel, "edit"), data=written).status_code == 303
    made = kept(channel)
    assert (made.group_after, made.group_window_seconds, made.rate_per_hour) == (3, 120, 12)
    page = browser.get(address(channel)).text
    assert "3 alone in 2 minutes, the rest in one message" in page
    assert "12 an hour" in page
    each = {**written, "version": str(made.version), "many": "each", "rate_per_hour": ""}
    assert browser.post(address(channel, "edit"), data=each).status_code == 303
    made = kept(channel)
    assert (made.group_after, made.group_window_seconds, made.rate_per_hour) == (None, 120, None)
    assert "each on its own" in browser.get(address(channel)).text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"group_after": "many"}, "It is not a whole number; write one, like 5."),
        ({"group_after": ""}, "It is missing; write how many, like 5."),
        ({"group_after": "0"}, "It is not a whole number from 1 to 100; write one."),
        ({"group_window_seconds": "soon"}, "Write a length of time"),
        ({"group_window_seconds": "5 s"}, "It is not a whole number of seconds from 10 to 3,600"),
        ({"rate_per_hour": "-1"}, "It is not a whole number; write one, like 5."),
        ({"rate_per_hour": "5000"}, "It is not a whole number from 1 to 1,000; write one."),
    ],
    ids=lambda value: " ".join(value) + " " + "".join(value.values()) if isinstance(value, dict) else "",
)
def test_limits_that_are_none_come_back_with_what_to_write(
    alice: User, client_for: ClientFor, written: dict[str, str], said: str
) -> None:
    answer = client_for(alice).post("/app/channels/new/webhook", data={**WRITTEN, "many": "together", **written})
    assert answer.status_code == 422
    assert said in answer.text


def test_the_page_says_what_is_gathering(vera: User, channel: Channel, client_for: ClientFor) -> None:
    now = datetime.now(UTC)
    monitor = make_monitor(save(Organization(name="x", slug="x")), "Backup")
    incident = save(
        Incident(
            organization_id=channel.organization_id, monitor_id=monitor.id, class_="outage", kind="failed",
            status="open", opened_at=now, last_opened_at=now, summary="failed",
        )
    )  # fmt: skip
    summary = save(
        Summary(
            organization_id=channel.organization_id, channel_id=channel.id, reason="storm", started_at=now, last_at=now
        )
    )
    for status in ("pending", "pending", "merged"):
        alert = save(
            Alert(organization_id=channel.organization_id, kind="opened", at=now, content={}, incident_id=incident.id)
        )
        save(
            Delivery(
                organization_id=channel.organization_id, alert_id=alert.id, channel_id=channel.id, status=status,
                next_attempt_at=now, incident_id=incident.id, summary_id=summary.id,
            )
        )  # fmt: skip
    said = save(
        Alert(
            organization_id=channel.organization_id, kind="summary", at=now,
            content={"listed_total": 23, "listed_back": 4},
        )
    )  # fmt: skip
    save(
        Delivery(
            organization_id=channel.organization_id, alert_id=said.id, channel_id=channel.id, status="sent",
            sent_at=now, next_attempt_at=now, summary_id=summary.id,
        )
    )  # fmt: skip
    page = client_for(vera).get(address(channel)).text
    assert "Gathering: 2 messages wait until" in page
    assert "23 monitors in one message, 4 back" in page
    assert "1 of the last 1" in page
    assert page.count('class="trial"') == 1, "what it told is not listed again"


def test_a_new_webhook_is_signed_unless_asked_otherwise(alice: User, client_for: ClientFor) -> None:
    browser = client_for(alice)
    page = browser.get("/app/channels/new/webhook").text
    offered = page.split('id="secret"')[1].split('value="')[1].split('"')[0]
    assert len(offered) >= 22
    assert "HMAC-SHA256" in page
    browser.post("/app/channels/new/webhook", data={**WRITTEN, "secret": offered, "no_secret": "y"})
    assert the_only().config["secret"] is None


@pytest.mark.parametrize(
    ("kind", "written", "said"),
    [
        ("email", {"name": "Ops", "to": "nobody"}, "is not an e-mail address"),
        ("email", {"name": "", "to": "ops@example.com"}, "name-error"),
        ("email", {}, "to-error"),
        ("slack", {"name": "#ops", "url": ""}, "url-error"),
        ("slack", {"name": "#ops", "url": "ftp://example.com"}, "is not a web address"),
        ("webhook", {"name": "P", "url": URL, "headers": "no colon"}, "has no colon"),
        ("webhook", {"name": "P", "url": URL, "headers": "Host: evil"}, "is set by Tokiflow"),
        ("webhook", {"name": "P", "url": URL, "template": "{{secret}}"}, "is not known"),
        ("webhook", {"name": "P", "url": URL, "method": "GET"}, "method-error"),
        ("webhook", {"name": "P", "url": "http://user:pw@example.com"}, "user name or password"),
        ("webhook", {"name": "x" * 300, "url": URL}, "name-error"),
    ],
)
def test_what_can_be_checked_is_checked_before_saving(
    alice: User, client_for: ClientFor, kind: str, written: dict[str, str], said: str
) -> None:
    answer = client_for(alice).post(f"/app/channels/new/{kind}", data=written)
    assert answer.status_code == 422
    assert said in answer.text
    assert db.session.execute(select(Channel)).first() is None


@pytest.mark.parametrize("host", ["10.1.2.3:8080", "[::1]", "169.254.169.254"])
def test_a_private_address_is_refused_and_the_operator_told_how_to_allow_it(
    alice: User, client_for: ClientFor, host: str
) -> None:
    page = client_for(alice).post("/app/channels/new/webhook", data={**WRITTEN, "url": f"http://{host}/x"})
    assert page.status_code == 422
    assert "is private" in page.text
    assert "TOKIFLOW_OUTBOUND_ALLOW" in page.text


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1"])
def test_a_private_address_that_the_operator_allows_is_taken(alice: User, client_for: ClientFor, host: str) -> None:
    # The tests' own settings allow 127.0.0.0/8.
    page = client_for(alice).post("/app/channels/new/webhook", data={**WRITTEN, "url": f"http://{host}/x"})
    assert page.status_code == 303


def test_a_kind_that_is_none_is_not_found(alice: User, client_for: ClientFor) -> None:
    assert client_for(alice).get("/app/channels/new/pigeon").status_code == 404


# Changing one.


def test_secrets_left_empty_are_kept(alice: User, channel: Channel, client_for: ClientFor) -> None:
    browser = client_for(alice)
    page = browser.get(address(channel, "edit")).text
    assert "s3cret" not in page
    assert "Bearer 1" not in page
    assert "Authorization: set" in page
    written = {"version": "0", "name": "Night pager", "url": URL, "method": "POST", "secret": "",
               "headers": "Authorization: set\nX-New: 1"}  # fmt: skip
    assert browser.post(address(channel, "edit"), data=written).status_code == 303
    assert kept(channel).name == "Night pager"
    assert kept(channel).config["secret"] == "s3cret"
    assert kept(channel).config["headers"] == {"Authorization": "Bearer 1", "X-New": "1"}


def test_the_address_of_a_slack_room_is_kept_and_never_shown(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    url = "https://hooks.slack.com/services/T0/B0/xyz"
    room = make_channel(organization, "slack", name="#ops", config={"url": url})
    browser = client_for(alice)
    for page in (address(room), address(room, "edit")):
        assert "xyz" not in browser.get(page).text
    browser.post(address(room, "edit"), data={"version": "0", "name": "#alerts", "url": ""})
    assert (kept(room).name, kept(room).config) == ("#alerts", {"url": url})


def test_two_people_editing_are_shown_both_versions(
    alice: User, adam: User, channel: Channel, client_for: ClientFor
) -> None:
    hers, his = client_for(alice), client_for(adam)
    written = {"version": "0", "url": URL, "method": "POST"}
    assert hers.post(address(channel, "edit"), data={**written, "name": "Alice’s"}).status_code == 303
    conflict = his.post(address(channel, "edit"), data={**written, "name": "Adam’s"})
    assert conflict.status_code == 409
    assert "Alice’s" in conflict.text
    assert 'value="Adam’s"' in conflict.text
    assert 'name="version" value="1"' in conflict.text
    assert his.post(address(channel, "edit"), data={**written, "version": "1", "name": "Adam’s"}).status_code == 303
    assert kept(channel).name == "Adam’s"


def test_a_broken_version_is_a_broken_form(alice: User, channel: Channel, client_for: ClientFor) -> None:
    written = {"name": "x", "url": URL, "method": "POST", "version": "ten"}
    assert client_for(alice).post(address(channel, "edit"), data=written).status_code == 400


def test_disabling_and_enabling(alice: User, channel: Channel, client_for: ClientFor) -> None:
    browser = client_for(alice)
    assert browser.post(address(channel, "disable")).status_code == 303
    assert not kept(channel).enabled
    assert "disabled by hand" in browser.get(address(channel)).text
    part = browser.post(address(channel, "enable"), headers={**HTMX, "HX-Target": "article#channel"})
    assert "Disable</button>" in part.text
    assert kept(channel).enabled


def test_deleting_asks_first_with_what_will_go(
    alice: User, channel: Channel, organization: Organization, client_for: ClientFor
) -> None:
    make_monitor(organization, channels=[channel])
    make_deliveries(channel, "sent", "dead")
    browser = client_for(alice)
    question = browser.get(address(channel, "delete")).text
    assert "<strong>1</strong> monitor names it" in question
    assert "<strong>2</strong> deliveries on record" in question
    assert kept(channel).enabled
    assert browser.post(address(channel, "delete")).location == "/app/channels"
    assert db.session.execute(select(Channel)).first() is None


# Testing one.


def test_a_test_shows_what_came_back(alice: User, channel: Channel, http: FakeHttp, client_for: ClientFor) -> None:
    browser = client_for(alice)
    inline = browser.post(address(channel, "test"), headers=HTMX)
    assert "The test arrived" in inline.text
    assert "HTTP 200" in inline.text
    assert "thanks" in inline.text
    assert "<html" not in inline.text
    without_scripts = browser.post(address(channel, "test"))
    assert "The test arrived" in without_scripts.text
    assert "Last deliveries" in without_scripts.text
    assert http.sent == [URL, URL]


def test_a_test_that_meets_a_private_network_tells_the_operator_what_to_do(
    alice: User, channel: Channel, http: FakeHttp, client_for: ClientFor
) -> None:
    http.error = DeliveryError(
        "hooks.example.com leads to a private network; alerts only go to public addresses, "
        "unless the operator allows the network in TOKIFLOW_OUTBOUND_ALLOW",
        permanent=True,
    )
    browser = client_for(alice)
    said = browser.post(address(channel, "test"), headers=HTMX).text
    assert "The test did not arrive" in said
    assert "How the operator allows it" in said
    page = browser.get(address(channel)).text
    assert "Tokiflow disabled it" in page


def test_a_mail_in_development_is_found_in_the_outbox(
    alice: User, organization: Organization, http: FakeHttp, client_for: ClientFor
) -> None:
    mail = make_channel(organization, "email", name="Ops", config={"to": ["ops@example.com"]})
    browser = client_for(alice)
    for page in (address(mail), address(mail, "edit"), "/app/channels/new/email"):
        assert "/dev/outbox" in browser.get(page).text
    assert "/dev/outbox" in browser.post(address(mail, "test"), headers=HTMX).text


def test_the_page_shows_the_last_deliveries_and_their_tries(
    vera: User, channel: Channel, client_for: ClientFor
) -> None:
    make_deliveries(channel, "sent", "dead")
    page = client_for(vera).get(address(channel)).text
    assert "Given up" in page
    assert "said &lt;b&gt;" in page
    assert "1 of the last 2" in page
    assert "Send a test</button>" not in page


# The preview of a webhook.


def test_a_preview_shows_the_request_for_each_kind_of_message_and_no_secret(
    alice: User, channel: Channel, client_for: ClientFor
) -> None:
    browser = client_for(alice)
    written = {
        "version": "0", "name": "", "url": URL, "method": "PUT", "secret": "",
        "headers": "Authorization: set\nX-Own: v4lue", "template": '{"text": "{{ monitor.name }}: {{ type }}"}',
    }  # fmt: skip
    page = browser.post(address(channel, "preview"), data=written)
    assert page.status_code == 200
    for said in (
        "PUT /in/the-secret-path HTTP/1.1", "Host: hooks.example.com", "Authorization: set", "X-Own: set",
        "Content-Type: application/json", "Tokiflow-Delivery: dlv_", "v1=…", "A ping is missed", "Many at once",
    ):  # fmt: skip
        assert said in page.text, said
    for kind in ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved"):
        assert f"Nightly database backup: incident.{kind}" in html.unescape(page.text)
    assert "v4lue" not in page.text.partition('id="requests"')[2]
    assert "Bearer 1" not in page.text
    assert "s3cret" not in page.text
    assert not re.search("v1=[0-9a-f]{8}", page.text)
    assert kept(channel).config == CONFIG
    part = browser.post(address(channel, "preview"), data=written, headers=HTMX)
    assert "<html" not in part.text
    assert "What would be sent" in part.text


def test_a_preview_needs_no_address_and_no_name_yet(alice: User, client_for: ClientFor) -> None:
    page = client_for(alice).post("/app/channels/new/webhook/preview", data={"method": "POST", "secret": "typed"})
    assert page.status_code == 200
    assert "Host: example.com" in page.text
    assert '"type": "incident.opened"' in html.unescape(page.text)
    assert 'value="typed"' in page.text
    assert db.session.execute(select(Channel)).first() is None


def test_a_preview_says_beside_the_field_what_is_wrong_with_the_body(alice: User, client_for: ClientFor) -> None:
    written = {**WRITTEN, "template": "{{ summary }}\n{{ monitor.nmae }}"}
    page = client_for(alice).post("/app/channels/new/webhook/preview", data=written)
    assert page.status_code == 422
    error = page.text.partition('id="template-error"')[2].partition("</p>")[0]
    assert "Line 2, column 4: monitor.nmae is not known; did you mean monitor.name?" in error
    assert "What would be sent" not in page.text


def test_only_a_webhook_has_a_preview_and_a_secret(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    browser, mail = client_for(alice), make_channel(organization, "email", config={"to": ["ops@example.com"]})
    assert browser.post("/app/channels/new/email/preview", data={}).status_code == 404
    for action in ("preview", "secret", "secret/forget"):
        assert browser.post(address(mail, action), data={"version": "0"}).status_code == 404


# Its secret.


def test_a_new_secret_is_shown_once_and_the_former_signs_for_a_day(
    alice: User, vera: User, channel: Channel, client_for: ClientFor
) -> None:
    browser = client_for(alice)
    question = browser.get(address(channel, "secret"))
    assert "24 hours" in question.text
    assert 'name="version" value="0"' in question.text
    answer = browser.post(address(channel, "secret"), data={"version": "0"})
    made = kept(channel).config["secret"]
    assert f'value="{made}"' in answer.text
    assert (answer.status_code, kept(channel).config["previous_secret"]) == (200, "s3cret")
    page = client_for(vera).get(address(channel)).text
    assert "Each request has two signatures" in page
    assert "Stop the former" not in page
    assert made not in page
    assert "Stop the former" in browser.get(address(channel)).text
    # Sent twice, it must not push out the secret that the receiver still has.
    assert browser.post(address(channel, "secret"), data={"version": "0"}).status_code == 409
    assert browser.post(address(channel, "secret"), data={}).status_code == 409
    assert kept(channel).config["secret"] == made


def test_the_former_secret_can_be_stopped_at_once(alice: User, channel: Channel, client_for: ClientFor) -> None:
    browser = client_for(alice)
    browser.post(address(channel, "secret"), data={"version": "0"})
    part = browser.post(address(channel, "secret/forget"), headers={**HTMX, "HX-Target": "article#channel"})
    assert "two signatures" not in part.text
    assert "previous_secret" not in kept(channel).config


def test_another_secret_in_the_form_is_a_change_too(alice: User, channel: Channel, client_for: ClientFor) -> None:
    browser = client_for(alice)
    written = {"version": "0", "name": "Pager", "url": URL, "method": "POST", "secret": "another"}
    assert browser.post(address(channel, "edit"), data=written).status_code == 303
    assert (kept(channel).config["secret"], kept(channel).config["previous_secret"]) == ("another", "s3cret")
    # Editing something else meanwhile keeps both.
    browser.post(address(channel, "edit"), data={**written, "version": "1", "secret": "", "name": "Night pager"})
    assert kept(channel).config["previous_secret"] == "s3cret"
    assert "HMAC-SHA256" in browser.get(address(channel)).text


def test_a_body_from_before_there_was_a_language_keeps_nobody_from_disabling(
    alice: User, channel: Channel, client_for: ClientFor
) -> None:
    with transaction():
        kept(channel).config = {**CONFIG, "template": "{{ 7*7 }}"}
    assert client_for(alice).post(address(channel, "disable")).status_code == 303
    assert not kept(channel).enabled


# Who may.

CHANGES = ("edit", "delete", "enable", "disable", "test", "preview", "secret", "secret/forget")


@pytest.mark.parametrize("who", ["mia", "vera"])
def test_members_and_viewers_see_and_can_not_change(
    who: str, channel: Channel, http: FakeHttp, client_for: ClientFor, request: pytest.FixtureRequest
) -> None:
    browser = client_for(request.getfixturevalue(who))
    assert browser.get("/app/channels").status_code == 200
    page = browser.get(address(channel))
    assert page.status_code == 200
    for verb in ("Edit</a>", "Delete</a>", "Disable</button>"):
        assert verb not in page.text
    for change in CHANGES:
        assert browser.post(address(channel, change)).status_code == 403
    for kind in ("email", "slack", "webhook"):
        assert browser.get(f"/app/channels/new/{kind}").status_code == 403
        assert browser.post(f"/app/channels/new/{kind}", data=WRITTEN).status_code == 403
    assert browser.get("/app/channels/new").status_code == 403
    assert http.sent == []


def test_adam_may_change(adam: User, channel: Channel, client_for: ClientFor) -> None:
    assert client_for(adam).post(address(channel, "disable")).status_code == 303


def test_charlie_sees_nothing(charlie: User, channel: Channel, http: FakeHttp, client_for: ClientFor) -> None:
    browser = client_for(charlie)
    assert "Pager" not in browser.get("/app/channels").text
    for page in ("", "edit", "delete"):
        assert browser.get(address(channel, page)).status_code == 404
    for change in CHANGES:
        assert browser.post(address(channel, change)).status_code == 404
    assert (kept(channel).enabled, http.sent) == (True, [])


def test_nobody_is_sent_to_sign_in(client: Client, channel: Channel) -> None:
    for url in ("/app/channels", "/app/channels/new", "/app/channels/new/email", address(channel)):
        assert client.get(url).location.startswith("/auth/")
