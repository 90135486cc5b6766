"""Teams' workflows: cards within 28 KB, and answers that mean what they mean."""

from __future__ import annotations

import json
import re

import pytest

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, summary
from tokiflow.channels.teams import SIZE_LIMIT, Teams, body, payload
from tokiflow.errors import DeliveryError, Invalid

PATH = "/workflows/abc/triggers/manual/paths/invoke"
QUERY = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=s3cret-signature"
NEWS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved", "test")


def texts(part):
    """Every text in a card."""
    if isinstance(part, dict):
        yield from (part[name] for name in ("text", "title", "value") if isinstance(part.get(name), str))
        for inner in part.values():
            yield from texts(inner)
    if isinstance(part, list):
        for inner in part:
            yield from texts(inner)


def assert_teams_would_take_it(written):
    """A message of at most 28 KB, with one adaptive card that every client of today understands."""
    assert len(written) <= SIZE_LIMIT <= 28 * 1024
    told = json.loads(written)
    assert set(told) == {"type", "attachments"}
    assert told["type"] == "message"
    [attachment] = told["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert {part["type"] for part in card["body"]} <= {"Container", "TextBlock", "FactSet"}
    assert all(part["wrap"] for part in card["body"] if part["type"] == "TextBlock")
    assert all(action["type"] == "Action.OpenUrl" for action in card["actions"])
    return card


@pytest.fixture
def config(httpserver):
    return Teams().validate({"url": f"{httpserver.url_for(PATH)}?{QUERY}"})


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", NEWS)
def test_every_card_says_what_why_and_what_to_do(kind, trouble):
    told = message(kind, trouble)
    card = assert_teams_would_take_it(body(told))
    everything = "\n".join(texts(card)).replace("\\", "")
    for said in (told.summary, told.reason, told.advice, told.schedule_words, *told.last_lines):
        assert said in everything
    assert card["actions"][0]["url"] == told.incident_url


def test_the_colour_is_not_alone():
    headlines = {}
    for told in (message(), message(severity="warning"), message("resolved"), message("test")):
        first = payload(told)["attachments"][0]["content"]["body"][0]
        headlines[first["style"]] = first["items"][0]["text"]
    assert headlines == {
        "attention": "▲ Down: Nightly database backup missed its 02:05 ping",
        "warning": "◔ Warning: Nightly database backup missed its 02:05 ping",
        "good": "● Up: Nightly database backup is back after 9 h 12 min",
        "emphasis": "◌ Test: alerts of Harbour Freight arrive here",
    }


def test_the_output_is_set_like_a_terminal():
    told = message("opened", "failed")
    [block] = [part for part in payload(told)["attachments"][0]["content"]["body"] if part.get("style") == "emphasis"]
    [run] = block["items"][0]["inlines"]
    assert (run["type"], run["fontType"], run["text"]) == ("TextRun", "Monospace", "\n".join(told.last_lines))


def test_a_summary_lists_who_is_down_and_how_many_more():
    everything = list(texts(assert_teams_would_take_it(body(summary(54)))))
    assert "▲ [Backup 0](https://tokiflow.example/app/incidents/inc_0) missed its 02:05 ping" in everything
    assert "and 34 more" in everything
    assert "See all incidents" in everything


@pytest.mark.parametrize("kind", ["opened", "summary"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_still_taken(evil, kind):
    card = assert_teams_would_take_it(body(hostile(evil, kind)))
    assert card["body"][0]["items"][0]["text"]


def test_output_is_cut_before_anything_else_and_its_end_stays():
    told = message("opened", "failed", summary="👩" * 400, reason="👩" * 1_000, last_lines=("👩" * 290 + "end",) * 20)
    everything = "\n".join(texts(assert_teams_would_take_it(body(told))))
    assert told.reason in everything
    assert 1 <= everything.count("end") < 20


def test_strangers_can_neither_link_nor_format():
    evil = "**x** [click](https://evil.example) `x` _x_ <at>all</at> db_backup"
    card = payload(message(monitor_name=evil, summary=evil, environment=evil))["attachments"][0]["content"]
    for written in texts(card["body"][:2]):
        assert "db_backup" in written
        assert not set("*[]<>`") & set(re.sub(r"\\.", "", written)), "each is escaped"


def test_it_is_posted_as_it_was_addressed_and_202_is_enough(config, outside, httpserver):
    httpserver.expect_request(PATH, method="POST", query_string=QUERY).respond_with_data("", status=202)
    receipt = Teams().send(config, message(), outside)
    request, _ = httpserver.log[0]
    assert request.headers["Content-Type"] == "application/json"
    assert request.data == body(message())
    assert json.loads(request.data) == payload(message())
    assert (receipt.status_code, receipt.response) == (202, "Taken; the workflow posts it in a moment.")


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [
        (404, "WorkflowNotFound", True),
        (410, "Gone", True),
        (401, "DirectApiAuthorizationRequired", True),
        (403, "AuthorizationFailed", True),
        (400, "WorkflowTriggerIsNotEnabled", False),
        (404, "WorkflowTriggerIsNotEnabled", False),
        (400, "InvalidRequestContent", False),
        (413, "RequestEntityTooLarge", False),
        (429, "TooManyRequests", False),
        (500, "InternalServerError", False),
        (502, "BadGateway", False),
        (302, "Found", False),
    ],
)
def test_answers_are_permanent_only_when_the_workflow_is_gone(status, code, permanent, config, outside, httpserver):
    said = json.dumps({"error": {"code": code, "message": "In words."}})
    httpserver.expect_request(PATH).respond_with_data(said, status=status, headers={"Retry-After": "30"})
    with pytest.raises(DeliveryError, match=f"Teams answered {status}: ") as caught:
        Teams().send(config, message(), outside)
    error = caught.value
    assert (error.permanent, error.status_code, error.retry_after, error.response) == (permanent, status, 30, said)
    assert ("turned off" in str(error)) == (code == "WorkflowTriggerIsNotEnabled")


def test_what_came_back_is_told_without_the_key(config, outside, httpserver):
    httpserver.expect_request(PATH).respond_with_data(f"not {PATH}?{QUERY} and not s3cret-signature", status=500)
    with pytest.raises(DeliveryError) as caught:
        Teams().send(config, message(), outside)
    assert "s3cret" not in caught.value.response + str(caught.value) + Teams().describe(config)
    assert Teams().public(config) == {"url": "set"}


def test_nobody_at_home_is_tried_again(outside):
    with pytest.raises(DeliveryError) as caught:
        Teams().send({"url": f"http://127.0.0.1:9{PATH}?{QUERY}"}, message(), outside)
    assert not caught.value.permanent
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"https://prod-11.westeurope.logic.azure.com:443{PATH}?{QUERY}",
        f"https://1a.de.environment.api.powerplatform.com:443/powerautomate/automations/direct{PATH}?{QUERY}",
        "https://relay.harbour.example/teams",
    ],
)
def test_addresses_of_workflows_are_taken(url):
    assert Teams().validate({"url": f" {url} "}) == {"url": url}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://outlook.office.com/webhook/1@2/IncomingWebhook/3/4", "retired"),
        ("https://outlook.office365.com/webhook/1@2/IncomingWebhook/3/4", "retired"),
        ("https://harbour.webhook.office.com/webhookb2/1@2/IncomingWebhook/3/4", "retired"),
        ("https://teams.microsoft.com/l/channel/19%3Aabc/General", "link to a channel"),
        (f"https://prod-11.westeurope.logic.azure.com:443{PATH}?api-version=2016-06-01", "no sig="),
        (f"https://1a.de.environment.api.powerplatform.com{PATH}?api-version=1&sig=", "no sig="),
        ("teams", "is not a web address"),
        ("", "is missing"),
    ],
)
def test_addresses_of_something_else_are_told(url, said):
    with pytest.raises(Invalid) as caught:
        Teams().validate({"url": url})
    assert said in caught.value.fields["config.url"][0]


def test_where_it_goes_is_told_without_the_key():
    url = f"https://prod-11.westeurope.logic.azure.com:443{PATH}?{QUERY}"
    assert Teams().describe({"url": url}) == "Teams workflow"
    assert Teams().describe({"url": "https://relay.harbour.example/x"}) == "Teams workflow at relay.harbour.example"
    assert Teams().host({"url": url}) == "prod-11.westeurope.logic.azure.com:443"
