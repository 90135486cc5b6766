"""How a channel has done: in words, as a chart and as a table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import make_channel, save
from tests.fixtures.app import Client
from tokiflow.core import ids
from tokiflow.models import Alert, Channel, Delivery, Organization, User
from tokiflow.queries import channel_history

ClientFor = Callable[[User], Client]
NOW = datetime.now(UTC)


@pytest.fixture
def channel(organization: Organization) -> Channel:
    return make_channel(organization, name="Pager")


def told(
    channel: Channel, days: float, status: str = "sent", lag: float = 2, held: float = 0, kind: str = "opened"
) -> None:
    """An alert of so many days ago, sent `lag` seconds after the trouble; or after it was `held` back so long."""
    at = NOW - timedelta(days=days)
    promised = at + timedelta(seconds=held)
    sent = promised + timedelta(seconds=lag) if status == "sent" else None
    alert = save(Alert(organization_id=channel.organization_id, kind=kind, at=at, content={}, created_at=promised))
    save(
        Delivery(
            organization_id=channel.organization_id, alert_id=alert.id, channel_id=channel.id, status=status,
            attempts=1, next_attempt_at=promised, sent_at=sent, created_at=promised,
        )
    )  # fmt: skip


def page(browser: Client, channel: Channel, query: str = "") -> str:
    return browser.get(f"/app/channels/{ids.public('chn', channel.id)}{query}").text


def test_a_channel_that_never_heard_says_so(vera: User, channel: Channel, client_for: ClientFor) -> None:
    told(channel, 0.01, kind="test")
    shown = page(client_for(vera), channel)
    assert "No alert was due here in the last 30 days." in shown
    assert "Alerts by day" not in shown


def test_all_that_arrived(vera: User, channel: Channel, client_for: ClientFor) -> None:
    for lag in (1, 2, 60):
        told(channel, 2, lag=lag)
    shown = page(client_for(vera), channel)
    assert "All 3 alerts of the last 30 days arrived." in shown
    assert "Usually sent 2 s after the trouble." in shown
    assert 'role="img" aria-label="Alerts by day. All 3 alerts' in shown


def test_what_was_given_up_is_counted_and_led_to(vera: User, channel: Channel, client_for: ClientFor) -> None:
    for n in range(9):
        told(channel, 10 + n / 10)
    told(channel, 9, "dead")
    browser = client_for(vera)
    shown = page(browser, channel)
    assert "9 of the 10 alerts of the last 30 days arrived: 90 %." in shown
    assert "1 message never arrived" in shown
    assert 'class="lost"' in shown
    assert "Usually sent 2 s after the trouble." in shown, "what never arrived was not sent at once"
    week = page(browser, channel, "?days=7")
    assert "No alert was due here in the last 7 days." in week
    assert page(browser, channel, "?days=365").count("30 days") >= 2, "only two periods are offered"


def test_the_only_one_that_was_given_up_was_not_sent_in_no_time(
    vera: User, channel: Channel, client_for: ClientFor
) -> None:
    told(channel, 9, "dead", kind="resolved")
    shown = page(client_for(vera), channel)
    assert "The only alert of the last 30 days did not arrive." in shown
    assert "Usually sent" not in shown
    assert "A test" not in shown, "its incident was deleted with the monitor"


def test_what_was_held_back_on_purpose_is_not_late(app: object, channel: Channel) -> None:
    told(channel, 1, held=7200, lag=3)
    total, days = channel_history.by_day(channel.id, [NOW - timedelta(days=2), NOW - timedelta(days=1, hours=3)])
    assert (total.sent, total.lost) == (1, 0)
    assert total.lag == pytest.approx(3)
    assert [one.sent for one in days] == [0, 1]
