"""Every message of every kind of channel can be looked at, and nothing is sent for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tokiflow
from tests.fixtures.app import Client
from tests.fixtures.database import Database
from tokiflow import channels, settings
from tokiflow.app import create_app
from tokiflow.channels import ChannelKind, examples
from tokiflow.web import chat_markup, message_capture, message_gallery, message_pictures

ROOT = Path(tokiflow.__file__).parent
PAGE = "/dev/gallery/messages"
TOLD = set(examples.gallery())


def kinds() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", channels.KINDS, ids=lambda kind: kind.kind)


@kinds()
def test_every_kind_can_be_looked_at(kind: ChannelKind) -> None:
    assert kind.kind in message_capture.EXAMPLES, (
        f"The gallery of messages can’t draw “{kind.kind}”: give it an example config in "
        "tokiflow/web/message_capture.py, EXAMPLES, and choose how it is drawn."
    )
    shown = message_capture.EXAMPLES[kind.kind]
    assert shown.drawing in message_pictures.DRAWINGS, f"there is no drawing called “{shown.drawing}”"
    assert (ROOT / "templates" / "gallery" / f"_{shown.drawing}.html").exists()


def test_every_kind_of_message_is_among_the_examples() -> None:
    told = {message.kind for message in examples.gallery().values()}
    assert told >= {
        *("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "muted", "resolved"),
        *("summary", "test"),
    }
    assert set(message_gallery.TITLES) == TOLD


@kinds()
@pytest.mark.parametrize("name", message_gallery.TITLES)
def test_what_is_drawn_is_what_would_be_sent(kind: ChannelKind, name: str) -> None:
    messages = examples.gallery()
    captured = message_capture.capture(kind, messages[name], messages["failed"])
    assert captured.error == ""
    pictures = message_pictures.of(captured, message_capture.example(kind.kind).drawing)
    if name == "failed":
        assert pictures
        assert "No space left on device" in str(pictures[0]) or kind.kind == "sms"


@kinds()
def test_its_page_shows_every_message_light_and_dark(kind: ChannelKind, client: Client) -> None:
    answer = client.get(f"{PAGE}/{kind.kind}")
    assert answer.status_code == 200
    for name, title in message_gallery.TITLES.items():
        assert f'id="{name}"' in answer.text
        assert title in answer.text
    assert answer.text.count('class="scene light"') == answer.text.count('class="scene dark"') >= 10
    assert "<script>alert" not in answer.text
    assert not re.search(r"<[^>]*\sstyle=", answer.text)


def test_odd_words_in_the_address_do_no_harm(client: Client) -> None:
    odd = "only=nothing&scheme=blue&kind=x&page=y&_external=1&endpoint=z&width="
    for page in (PAGE, f"{PAGE}/webhook"):
        assert client.get(f"{page}?{odd}").status_code == 200


def test_the_first_page_has_one_of_each(client: Client) -> None:
    page = client.get(f"{PAGE}?width=phone&scheme=dark").text
    for kind in channels.KINDS:
        assert f'aria-label="{kind.title}, dark"' in page
    assert "scene light" not in page
    assert "pictures phone" in page


def test_a_mail_is_shown_in_a_frame_that_can_do_nothing(client: Client) -> None:
    dark = client.get(f"{PAGE}/email/failed/html?scheme=dark")
    assert dark.status_code == 200
    assert "sandbox" in dark.headers["Content-Security-Policy"]
    assert "default-src 'none'" in dark.headers["Content-Security-Policy"]
    assert "@media all" in dark.text
    assert "@media not all" in client.get(f"{PAGE}/email/failed/html").text


def test_production_has_no_gallery(database: Database, tmp_path: Path) -> None:
    production = create_app(
        settings.load({**database.environment, "TOKIFLOW_ENV": "production", "TOKIFLOW_DATA": str(tmp_path)})
    )
    assert production.test_client().get(PAGE).status_code == 404


@pytest.mark.parametrize("path", ["/pigeon", "/webhook/failed/html", "/email/nothing/html", "/pigeon/failed/html"])
def test_what_is_not_there_is_not_found(path: str, client: Client) -> None:
    assert client.get(PAGE + path).status_code == 404


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (chat_markup.slack("*a &lt;b&gt;* ```x\ny```"), "<b>a &lt;b&gt;</b> <pre>x\ny</pre>"),
        (chat_markup.slack("*<https://x.example/?a=1&amp;b=2|go>*"), '<b><a href="https://x.example/?a=1&amp;b=2">go</a></b>'),
        (chat_markup.slack("<javascript:alert(1)|x>"), "&lt;javascript:alert(1)|x&gt;"),
        (chat_markup.markdown(r"**a\*b** \[no\](x) [go](https://x.example)"), '<b>a*b</b> [no](x) <a href="https://x.example">go</a>'),
        (chat_markup.markdown('<b>"&'), "&lt;b&gt;&#34;&amp;"),
        (chat_markup.telegram("<b>a &amp; b</b><i>c</i>"), "<b>a &amp; b</b>&lt;i&gt;c&lt;/i&gt;"),
        (chat_markup.telegram("<pre>&lt;x&gt;</pre>"), "<pre>&lt;x&gt;</pre>"),
        (chat_markup.plain("a\n<b>"), "a<br>&lt;b&gt;"),
    ],
)  # fmt: skip
def test_markup_becomes_html_and_nothing_else_does(drawn: object, expected: str) -> None:
    assert str(drawn) == expected
