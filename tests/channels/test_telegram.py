"""Telegram: text that it takes, answers in place, refusals that cost no alert, and a token that nobody gets to see."""

from __future__ import annotations

import html
import json
import logging
import re
from html.parser import HTMLParser

import pytest

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, silent_receiver, summary
from tokiflow.adapters import http
from tokiflow.channels.telegram import TEXT_LIMIT, Telegram, content, request, shown
from tokiflow.errors import DeliveryError, Invalid

TOKEN = "123456789:AAE-s3cret_s3cret-s3cret_s3cret-s3c"
PATH = f"/bot{TOKEN}/sendMessage"
CHAT = "-1001234567890"
SENT = {"ok": True, "result": {"message_id": 4711, "chat": {"id": int(CHAT)}, "date": 1732151101}}
FIRST = {"message_id": 42, "chat": CHAT}
NEWS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved", "test")
INVISIBLE = "\u200b"


class Checked(HTMLParser):
    """Reads text as Telegram does: only its own tags, each closed in its turn."""

    def __init__(self, written):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.seen: set[str] = set()
        self.feed(written)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in ("b", "a", "pre")
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def assert_telegram_would_take_it(written):
    """https://core.telegram.org/bots/api#html-style; what is shown of it is at most 4,096 long."""
    assert len(written.encode()) < 1 << 15
    assert not re.search(r"&(?!(?:lt|gt|amp|quot|#\d+|#x[\da-f]+);)", written)
    read = Checked(written)
    assert 1 <= len(read.text.encode("utf-16-le")) // 2 <= TEXT_LIMIT
    assert shown(written) == len(read.text.encode("utf-16-le")) // 2
    return read


def lively(words):
    """What Telegram would make a link, a mention, a tag or a command of."""
    return re.findall(r"[@#$]\w+|(?:^|\s)/\w+|\w+://\S+|\b\w+\.[a-z]{2,}\b", words)


def refused(status, description, **parameters):
    said = {"ok": False, "error_code": status, "description": description}
    return json.dumps(said | ({"parameters": parameters} if parameters else {})), status


def answer_in_turn(httpserver, *said):
    """Answer each of the first requests with one of `said`, body and status, and whatever follows with success."""
    for body, status in said:
        httpserver.expect_oneshot_request(PATH).respond_with_data(body, status=status)
    httpserver.expect_request(PATH, method="POST").respond_with_json(SENT)


def asked(httpserver):
    return [json.loads(one.data) for one, _ in httpserver.log]


@pytest.fixture
def config(httpserver):
    return Telegram().validate({"token": TOKEN, "chat": CHAT, "server": httpserver.url_for("")})


# What is written.


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", NEWS)
def test_every_message_says_what_why_and_what_to_do(kind, trouble, config):
    told = message(kind, trouble)
    read = assert_telegram_would_take_it(content(told))
    everything = read.text.replace(INVISIBLE, "")
    for said in (told.summary, told.reason, told.advice, told.schedule_words, *told.last_lines):
        assert said in everything
    assert ("pre" in read.seen) == bool(told.last_lines)
    assert request(config, told)["reply_markup"]["inline_keyboard"][0][0]["url"] == told.incident_url


def test_the_first_line_says_it_all():
    assert content(message()).startswith("▲ <b>Down: Nightly database backup missed its 02:05 ping</b>\n")
    assert content(message("resolved")).startswith("● <b>Up: ")
    assert content(message(severity="warning")).startswith("◔ <b>Warning: ")
    assert "\nA reminder: it is not over.\n" in content(message("reminder"))


def test_output_is_set_like_a_terminal_and_changed_in_nothing_but_what_telegram_would_read():
    told = message("opened", "failed", last_lines=("if a < b && c > d: see https://x.example @ops", "</pre><b>&amp;"))
    [block] = re.findall(r"<pre>(.*?)</pre>", content(told), re.DOTALL)
    assert html.unescape(block) == "\n".join(told.last_lines)
    assert "<b>" not in block


def test_a_summary_lists_who_is_down_and_how_many_more():
    written = content(summary(54))
    assert_telegram_would_take_it(written)
    assert (
        '▲ <a href="https://tokiflow.example/app/incidents/inc_0"><b>Backup 0</b></a> missed its 02:05 ping' in written
    )
    assert "and 34 more" in written
    assert "more" not in content(summary(2, back=0))


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("kind", ["opened", "resolved", "summary"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_still_taken(evil, kind, brief):
    told = hostile(evil, kind)
    assert_telegram_would_take_it(content(told, brief))


def test_strangers_can_neither_link_nor_call_anybody_nor_format():
    evil = "@everyone /stop #tag $USD backup.sh https://evil.example <b>x</b> alice@harbour.example 3.14 a/b"
    told = message(monitor_name=evil, summary=evil, reason=evil, tags=("@alice", "run.py"))
    read = assert_telegram_would_take_it(content(told))
    assert lively(read.text) == []
    assert evil in read.text.replace(INVISIBLE, "")
    assert "3.14 a/b" in read.text


# How it is sent.


def test_it_is_posted_with_a_button_and_its_number_remembered(config, outside, httpserver):
    answer_in_turn(httpserver)
    receipt = Telegram().send(config, message(), outside)
    assert asked(httpserver) == [
        {
            "chat_id": int(CHAT),
            "text": content(message()),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            "disable_notification": False,
            "reply_markup": {
                "inline_keyboard": [
                    [
                        {"text": "Open the incident", "url": message().incident_url},
                        {"text": "See the monitor", "url": message().monitor_url},
                    ]
                ]
            },
        }
    ]
    assert (receipt.status_code, receipt.memory) == (200, {"message_id": 4711, "chat": CHAT})
    assert "4711" in receipt.response


def test_odd_characters_arrive_as_they_are(config, outside, httpserver):
    answer_in_turn(httpserver)
    lines = ("naïve ✗", "\x1b[31mred\x1b[0m\x00", "tab\tbed", "\udcff")
    Telegram().send(config, message("opened", "failed", monitor_name="Zürich 🚢 “N” <&>", last_lines=lines), outside)
    [sent] = asked(httpserver)
    assert "Down: Zürich 🚢 “N” &lt;&amp;&gt; failed" in sent["text"]
    assert "<pre>naïve ✗\nred\ntab bed\n\ufffd</pre>" in sent["text"]


@pytest.mark.parametrize("chat", ["@harbour_ops", "12345"])
def test_it_goes_to_a_name_or_a_number_and_into_a_topic(chat, config, outside, httpserver):
    answer_in_turn(httpserver)
    Telegram().send({**config, "chat": chat, "topic": 7}, message(), outside)
    [sent] = asked(httpserver)
    assert (str(sent["chat_id"]), sent["message_thread_id"]) == (chat, 7)


def test_what_follows_answers_the_first_message_and_recovery_makes_no_sound(config):
    for kind in ("reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved"):
        sent = request(config, message(kind, thread=FIRST))
        assert sent["reply_parameters"] == {"message_id": 42, "allow_sending_without_reply": True}
        assert sent["disable_notification"] == (kind in ("acknowledged", "resolved"))
    assert request(config, summary(2, back=2))["disable_notification"]
    assert not request(config, summary(2, back=1))["disable_notification"]


def test_an_answer_is_short_where_the_first_message_has_the_rest(config):
    back = message("resolved", "failed", thread=FIRST)
    assert (
        request(config, back)["text"] == f"● <b>Up: {back.monitor_name} is back after 9 h 12 min</b>\n{back.summary}."
    )
    told = message("acknowledged", acknowledged_by="Alice", thread=FIRST)
    assert request(config, told)["text"].startswith("◔ <b>Acknowledged: Nightly database backup is being looked at by")
    assert "<pre>" in request(config, message("reopened", "failed", thread=FIRST))["text"]
    assert "<pre>" in request(config, message("resolved", "failed"))["text"]


def test_a_message_of_another_chat_is_not_answered(config):
    sent = request({**config, "chat": "-5"}, message("resolved", "failed", thread=FIRST))
    assert "reply_parameters" not in sent
    assert "<pre>" in sent["text"]


# What Telegram doesn't like, and what the message can do without.


def test_a_group_that_became_a_supergroup_is_followed(config, outside, httpserver):
    moved = refused(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-100987)
    answer_in_turn(httpserver, moved)
    receipt = Telegram().send(config, message("resolved", thread=FIRST), outside)
    first, second = asked(httpserver)
    assert (first["chat_id"], second["chat_id"]) == (int(CHAT), -100987)
    assert "reply_parameters" not in second
    assert receipt.response.startswith("The group has become a supergroup: write -100987 into this channel.\n")
    assert receipt.memory == {"message_id": 4711, "chat": CHAT, "moved_to": "-100987"}
    later = request(config, message("resolved", thread=receipt.memory))
    assert (later["chat_id"], later["reply_parameters"]["message_id"]) == (-100987, 4711)
    later = request({**config, "chat": "-100987"}, message("resolved", thread=receipt.memory))
    assert (later["chat_id"], later["reply_parameters"]["message_id"]) == (-100987, 4711)


def test_a_group_that_moves_in_circles_is_not_followed_for_ever(config, outside, httpserver):
    moved = [refused(400, "Bad Request: upgraded", migrate_to_chat_id=number) for number in (-100987, int(CHAT))]
    answer_in_turn(httpserver, *moved)
    with pytest.raises(DeliveryError):
        Telegram().send(config, message(), outside)
    assert len(httpserver.log) == 2


@pytest.mark.parametrize("why", ["Bad Request: message thread not found", "Bad Request: TOPIC_CLOSED"])
def test_without_its_topic_it_goes_to_the_general_one(why, config, outside, httpserver):
    answer_in_turn(httpserver, refused(400, why))
    receipt = Telegram().send({**config, "topic": 7}, message(), outside)
    assert [one.get("message_thread_id") for one in asked(httpserver)] == [7, None]
    assert "The topic is gone or closed" in receipt.response


@pytest.mark.parametrize(
    "why",
    [
        "Bad Request: BUTTON_URL_INVALID",
        "Bad Request: inline keyboard button URL 'https://tokiflow' is invalid: Wrong HTTP URL",
    ],
)
def test_a_button_that_is_not_taken_becomes_an_address(why, config, outside, httpserver):
    answer_in_turn(httpserver, refused(400, why))
    Telegram().send(config, message(), outside)
    _, second = asked(httpserver)
    assert "reply_markup" not in second
    assert f"\nOpen the incident: {message().incident_url}\n" in second["text"]
    assert_telegram_would_take_it(second["text"])


def test_an_address_that_telegram_never_takes_is_written_out_at_once(config):
    url = "http://localhost:8000/app/incidents/inc_1"
    told = message("resolved", incident_url=url, monitor_url="http://tokiflow/x", thread=FIRST)
    sent = request(config, told)
    assert "reply_markup" not in sent
    assert sent["text"].endswith(f"Open the incident: {url}\nSee the monitor: http://tokiflow/x")
    assert f"Open the incident: {url}" in content(told)


def test_text_that_telegram_cannot_read_goes_plainly(config, outside, httpserver):
    answer_in_turn(httpserver, refused(400, "Bad Request: can't parse entities: Unsupported start tag"))
    told = message("opened", "failed", monitor_name="A <b> & c")
    Telegram().send(config, told, outside)
    _, second = asked(httpserver)
    assert "parse_mode" not in second
    assert second["text"].startswith("▲ Down: A <b> & c failed with exit code 1\n")


def test_text_that_is_too_long_after_all_is_cut_to_what_happened(config, outside, httpserver):
    answer_in_turn(httpserver, refused(400, "Bad Request: message is too long"))
    told = message("opened", "failed")
    Telegram().send(config, told, outside)
    assert asked(httpserver)[1]["text"].endswith(f"</b>\n{told.summary}.")


def test_a_first_message_that_is_gone_is_done_without(config, outside, httpserver):
    answer_in_turn(httpserver, refused(400, "Bad Request: message to be replied not found"))
    Telegram().send(config, message("resolved", thread=FIRST), outside)
    assert "reply_parameters" not in asked(httpserver)[1]


def test_whatever_it_dislikes_it_comes_to_an_end(config, outside, httpserver):
    why = "Bad Request: message thread not found, reply not found, button invalid, can't parse entities"
    body, status = refused(400, why, migrate_to_chat_id=-100987)
    httpserver.expect_request(PATH).respond_with_data(body, status=status)
    with pytest.raises(DeliveryError):
        Telegram().send({**config, "topic": 7}, message("reminder", thread=FIRST), outside)
    assert len(httpserver.log) <= 6


# What came back.


@pytest.mark.parametrize(
    ("status", "description", "permanent", "meaning"),
    [
        (400, "Bad Request: chat not found", True, "the bot is not in it"),
        (400, "Bad Request: not enough rights to send text messages to the chat", True, "may not write there"),
        (400, "Bad Request: need administrator rights in the channel chat", True, "an administrator"),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", True, "may not write there"),
        (400, "Bad Request: message text is empty", False, ""),
        (401, "Unauthorized", True, "ask @BotFather"),
        (403, "Forbidden: bot was blocked by the user", True, "press Start"),
        (403, "Forbidden: bot was kicked from the supergroup chat", True, "add it again"),
        (403, "Forbidden: user is deactivated", True, ""),
        (404, "Not Found", True, "ask @BotFather"),
        (409, "Conflict", False, ""),
        (500, "Internal Server Error", False, ""),
        (502, "Bad Gateway", False, ""),
    ],
)
def test_answers_are_permanent_only_where_waiting_cannot_help(
    status, description, permanent, meaning, config, outside, httpserver
):
    answer_in_turn(httpserver, refused(status, description))
    with pytest.raises(DeliveryError, match=f"Telegram answered {status}: {description}") as caught:
        Telegram().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.status_code) == (permanent, status)
    assert meaning in str(caught.value)


@pytest.mark.parametrize(("body", "status"), [("<html>", 502), ("<html>", 200), ('{"ok": false}', 200), ("[]", 302)])
def test_what_is_no_answer_of_telegrams_is_tried_again(body, status, config, outside, httpserver):
    answer_in_turn(httpserver, (body, status))
    with pytest.raises(DeliveryError, match=f"Telegram answered {status}") as caught:
        Telegram().send(config, message(), outside)
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("header", "parameters", "wait"),
    [("", {"retry_after": 8}, 8), ("30", {"retry_after": 8}, 30), ("5", {}, 5), ("", {"retry_after": "x"}, None)],
)
def test_too_many_messages_wait_as_long_as_telegram_says(header, parameters, wait, config, outside, httpserver):
    body, status = refused(429, "Too Many Requests: retry after 8", **parameters)
    headers = {"Retry-After": header} if header else {}
    httpserver.expect_request(PATH).respond_with_data(body, status=status, headers=headers)
    with pytest.raises(DeliveryError) as caught:
        Telegram().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.retry_after) == (False, wait)


@pytest.mark.parametrize("status", [200, 400, 404, 502])
def test_the_token_is_in_nothing_that_is_kept_or_shown(status, config, outside, httpserver, caplog):
    caplog.set_level(logging.DEBUG)
    said = {"ok": status == 200, "description": f"no {PATH}", "result": {"message_id": 1, "url": PATH}}
    answer_in_turn(httpserver, (json.dumps(said), status))
    kept = [Telegram().describe(config), str(Telegram().public(config)), str(Telegram().facts(config))]
    try:
        receipt = Telegram().send(config, message(), outside)
        kept += [receipt.response, str(receipt.memory)]
    except DeliveryError as error:
        kept += [str(error), error.response, str(error.memory)]
    kept += [one.getMessage() for one in caplog.records if one.name != "werkzeug"]  # The receiver is ours, too.
    assert TOKEN not in "\n".join(kept)
    assert "s3cret" not in "\n".join(kept)


def test_nobody_at_home_and_one_who_never_answers_are_tried_again_and_told_without_the_token(config, outside):
    with pytest.raises(DeliveryError) as caught:
        Telegram().send({**config, "server": "http://127.0.0.1:9"}, message(), outside)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)
    assert "s3cret" not in str(caught.value)
    with silent_receiver() as server, http.within(0.2), pytest.raises(DeliveryError, match="in time") as caught:
        Telegram().send({**config, "server": server}, message(), outside)
    assert not caught.value.permanent
    assert "s3cret" not in str(caught.value)


# What is written into the form.


@pytest.mark.parametrize(
    "token",
    [
        TOKEN,
        f" {TOKEN}\n",
        f"bot{TOKEN}",
        f"https://api.telegram.org/bot{TOKEN}/getUpdates",
    ],
)
def test_a_token_is_found_in_what_people_copy(token):
    assert Telegram().validate({"token": token, "chat": CHAT})["token"] == TOKEN


@pytest.mark.parametrize(
    ("written", "chat"),
    [
        (CHAT, CHAT),
        (int(CHAT), CHAT),
        ("\N{MINUS SIGN}1001234567890", CHAT),
        (" 12345 ", "12345"),
        ("@harbour_ops", "@harbour_ops"),
        ("harbour_ops", "@harbour_ops"),
        ("https://t.me/harbour_ops", "@harbour_ops"),
        ("t.me/harbour_ops/12", "@harbour_ops"),
        ("https://t.me/c/1234567890/55", CHAT),
    ],
)
def test_a_chat_is_found_in_what_people_copy(written, chat):
    assert Telegram().validate({"token": TOKEN, "chat": written})["chat"] == chat


@pytest.mark.parametrize(
    ("written", "topic"),
    [(None, None), ("", None), ("7", 7), (7, 7), ("1", None), ("https://t.me/c/1234567890/55", 55),
     ("https://t.me/harbour_ops/55/77", 55)],
)  # fmt: skip
def test_a_topic_is_found_in_its_link_and_the_general_one_has_none(written, topic):
    assert Telegram().validate({"token": TOKEN, "chat": CHAT, "topic": written})["topic"] == topic


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"token": ""}, "token", "is missing"),
        ({"token": "123456789"}, "token", "is no token of a bot"),
        ({"token": 7}, "token", "is missing"),
        ({"chat": ""}, "chat", "is missing"),
        ({"chat": None}, "chat", "is missing"),
        ({"chat": "0"}, "chat", "is no chat"),
        ({"chat": "9" * 30}, "chat", "is no chat"),
        ({"chat": True}, "chat", "is no chat"),
        ({"chat": ["a"]}, "chat", "is no chat"),
        ({"chat": "Harbour Ops"}, "chat", "is no chat"),
        ({"chat": "https://t.me/+AbCdEfGh"}, "chat", "is an invitation"),
        ({"chat": "https://t.me/joinchat/AbCdEfGh"}, "chat", "is an invitation"),
        ({"topic": "General"}, "topic", "is no topic"),
        ({"topic": -4}, "topic", "is no topic"),
        ({"topic": False}, "topic", "is no topic"),
        ({"server": "telegram"}, "server", "is not a web address"),
    ],
)
def test_what_cannot_work_is_told(changes, field, said):
    with pytest.raises(Invalid, match=said) as caught:
        Telegram().validate({"token": TOKEN, "chat": CHAT, **changes})
    assert list(caught.value.fields) == [f"config.{field}"]


def test_where_it_goes_is_told():
    assert Telegram().describe({"chat": "@harbour_ops", "topic": None}) == "@harbour_ops"
    assert Telegram().describe({"chat": CHAT, "topic": 7}) == f"chat {CHAT}, topic 7"
    assert Telegram().host({"server": "https://api.telegram.org"}) == "api.telegram.org"
