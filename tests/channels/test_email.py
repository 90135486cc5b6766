"""The mail: who may get it, what it says, that it threads, and that nothing in it gets out of hand."""

from __future__ import annotations

import email
import quopri
import re
from email import policy

import pytest

from tests.channels.conftest import OPENED, TROUBLES, message
from tokiflow.channels import email as channel
from tokiflow.channels import letters
from tokiflow.channels.email import Email, letter
from tokiflow.channels.inlining import inlined
from tokiflow.channels.message import Listed
from tokiflow.errors import DeliveryError, Invalid

KINDS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved", "test")


def over_the_wire(mail):
    """The mail as the other side parses it."""
    return email.message_from_bytes(mail.as_bytes(), policy=policy.default)


def parts(mail):
    mail = over_the_wire(mail)
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


def test_addresses_are_normalised_and_each_is_taken_once():
    given = {"to": [" Alice@Harbour.Example ", "Alice@harbour.example", "bob+ops@bücher.example"]}
    assert Email().validate(given) == {"to": ["Alice@harbour.example", "bob+ops@xn--bcher-kva.example"]}
    assert Email().validate({"to": "alice@harbour.example, bob@harbour.example"}) == {
        "to": ["alice@harbour.example", "bob@harbour.example"]
    }


@pytest.mark.parametrize(
    "address",
    [
        "alice",
        "alice@",
        "@harbour.example",
        "alice@harbour..example",
        "alice@-harbour.example",
        "alice@harbour.example\r\nBcc: eve@example.com",
        "a b@harbour.example",
        '"alice bob"@harbour.example',
        "alice@[127.0.0.1]",
        "älice@harbour.example",
        "a" * 65 + "@harbour.example",
        "alice@" + "a" * 300 + ".example",
        "alice@harbour.example,",
    ],
)
def test_what_is_no_address_is_named(address):
    with pytest.raises(Invalid, match="is not an e-mail address") as caught:
        Email().validate({"to": ["bob@harbour.example", address]})
    assert list(caught.value.fields) == ["config.to"]


def test_at_most_twenty_addresses():
    with pytest.raises(Invalid, match="at most 20"):
        Email().validate({"to": [f"a{number}@harbour.example" for number in range(21)]})
    with pytest.raises(Invalid, match="at least one"):
        Email().validate({"to": []})


def test_it_is_described_by_its_addresses():
    names = [f"{name}@harbour.example" for name in ("alice", "bob", "mia")]
    assert Email().describe({"to": names[:1]}) == "alice@harbour.example"
    assert Email().describe({"to": names[:2]}) == "alice@harbour.example and bob@harbour.example"
    assert Email().describe({"to": names}) == "alice@harbour.example and 2 others"


def briefed(**states):
    """A config as it is handed to `send`: alice="confirmed"."""
    told = {f"{name}@harbour.example": {"state": state, "unsubscribe": f"https://tokiflow.example/unsubscribe/{name}"}
            for name, state in states.items()}  # fmt: skip
    return {"to": list(told), "recipients": told}


def test_each_mail_is_handed_over_and_the_answer_kept(outside, mailer):
    receipt = Email().send(briefed(alice="confirmed", bob="confirmed"), message(), outside)

    assert receipt.response == "250 kept"
    assert receipt.memory == {"sent": ["alice@harbour.example", "bob@harbour.example"]}
    first, second = [over_the_wire(mail) for mail in mailer.mails]
    assert first["Subject"] == "Down: Nightly database backup missed its 02:05 ping"
    assert first["From"] == "Tokiflow <alerts@tokiflow.example>"
    assert (first["To"], second["To"]) == ("alice@harbour.example", "bob@harbour.example")
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"]
    assert first["List-Unsubscribe"] == "<https://tokiflow.example/unsubscribe/alice>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert first["X-Tokiflow-Delivery"] == "dlv_01k9zq3v7wexample0000000001"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Date"].datetime == message().sent_at


def test_a_long_way_out_is_written_as_it_is(outside):
    way_out = f"https://{'tokiflow.' * 6}example/unsubscribe/{'aB3-_.' * 30}"
    raw = letter(message(), ["alice@harbour.example"], outside, way_out).as_bytes()
    assert f"List-Unsubscribe: <{way_out}>\r\n".encode() in raw


@pytest.mark.parametrize(
    ("states", "said", "permanent"),
    [
        ({"alice": "waiting"}, "alice@harbour.example has not confirmed yet that it wants these mails", False),
        (
            {"alice": "waiting", "bob": "waiting"},
            "alice@harbour.example and bob@harbour.example have not confirmed yet that they want these mails",
            False,
        ),
        ({"alice": "unsubscribed", "bob": "waiting"}, "bob@harbour.example has not confirmed yet", False),
        (
            {"alice": "unsubscribed", "bob": "bounced"},
            "nobody is left to write to: alice@harbour.example unsubscribed; bob@harbour.example takes no mail",
            True,
        ),
    ],
)
def test_who_has_not_said_yes_gets_nothing(outside, mailer, states, said, permanent):
    with pytest.raises(DeliveryError, match=re.escape(said)) as caught:
        Email().send(briefed(**states), message(), outside)
    assert caught.value.permanent is permanent
    assert mailer.mails == []


def test_nothing_known_of_an_address_is_no_yes(outside, mailer):
    with pytest.raises(DeliveryError, match="not confirmed yet"):
        Email().send({"to": ["alice@harbour.example"]}, message(), outside)
    assert mailer.mails == []


def test_a_try_that_failed_halfway_goes_on_with_the_others(outside, mailer):
    earlier = message(memory={"sent": ["alice@harbour.example"]})
    receipt = Email().send(briefed(alice="confirmed", bob="confirmed"), earlier, outside)
    assert [mail["To"] for mail in mailer.mails] == ["bob@harbour.example"]
    assert receipt.memory == {"sent": ["alice@harbour.example", "bob@harbour.example"]}
    Email().send(briefed(alice="confirmed"), earlier, outside)
    assert len(mailer.mails) == 1, "who got it all in an earlier try gets nothing again"


def test_what_takes_too_long_is_gone_on_with_in_the_next_try(outside, mailer, monkeypatch):
    monkeypatch.setattr(channel, "BEGIN_WITHIN", -1.0)
    with pytest.raises(DeliveryError, match="no time left") as caught:
        Email().send(briefed(alice="confirmed"), message(), outside)
    assert not caught.value.permanent


LISTED = tuple(
    Listed(
        monitor_name=f"Orders → warehouse {n} with a name that is rather long",
        summary="missed its 02:05 ping, and nobody knows why it did",
        url=f"https://tokiflow.example/app/incidents/inc_01k9zq3v7wexample{n:011}",
        status=("down", "late", "up")[n % 3],
        at=OPENED,
    )
    for n in range(200)
)


def test_a_summary_lists_what_there_is_and_says_how_much_more(outside):
    told = message("summary", listed=LISTED[:3], listed_total=37, thread_key="sum_1")
    mail = letter(told, ["alice@harbour.example"], outside)
    assert mail["Subject"] == "Down: 37 monitors of Harbour Freight, 1 is back"
    for part in parts(mail):
        for one in told.listed:
            assert one.monitor_name in part
        assert "and 34 more" in part
        assert "Up, 02:05: missed its 02:05 ping" in " ".join(part.split())


def test_even_a_long_summary_is_not_cut_off_by_mail_programs(outside):
    mail = letter(message("summary", listed=LISTED, listed_total=4_321), ["alice@harbour.example"], outside)
    plain, html = parts(mail)
    assert "and 4,271 more" in plain
    assert len(quopri.encodestring(html.encode())) < 100_000


def test_what_is_told_again_says_why(outside):
    escalated = parts(letter(message("escalated", step=2), ["alice@harbour.example"], outside))
    reminded = parts(letter(message("reminder", acknowledged_by="Bob"), ["alice@harbour.example"], outside))
    for part in escalated:
        assert "Nobody has acknowledged it yet" in part
    for part in reminded:
        assert "A reminder: it is not over. Bob has acknowledged it." in part


def test_a_retry_is_the_same_mail_and_the_recovery_joins_the_thread(outside):
    to = ["alice@harbour.example"]
    first, again = letter(message(), to, outside), letter(message(), to, outside)
    recovery = letter(message("resolved", dedup_key="dlv_2"), to, outside)

    assert first["Message-ID"] == again["Message-ID"] != recovery["Message-ID"]
    assert first["References"] == recovery["References"] == recovery["In-Reply-To"]
    assert re.fullmatch(r"<[0-9a-f]{32}@tokiflow\.example>", first["Message-ID"])
    other = letter(message(thread_key="inc_2"), to, outside)
    assert other["References"] != first["References"]


def test_ids_survive_a_sender_with_a_very_long_domain():
    sender = f"alerts@{'a' * 60}.{'b' * 60}.example"
    mail = letters.compose(
        "sign_in",
        sender=sender,
        to=["alice@harbour.example"],
        subject="Sign in",
        context={
            "url": "https://x.example/",
            "address": "alice@harbour.example",
            "asked_at": "02:05",
            "expires_at": "02:20",
            "asked_from": "",
            "purpose": "sign_in",
        },
        sent_at=OPENED,
        headers={"Message-ID": letters.identifier("seed", sender)},
    )
    assert f"Message-ID: {letters.identifier('seed', sender)}\r\n".encode() in mail.as_bytes()


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_forms_say_what_why_and_what_to_do(kind, trouble, outside):
    told = message(kind, trouble)
    for part in parts(letter(told, ["alice@harbour.example"], outside)):
        flat = " ".join(part.replace("\N{NO-BREAK SPACE}", " ").split())
        for said in (told.summary, told.reason, told.advice, told.schedule_words, *told.last_lines):
            assert said in flat or " ".join(said.split()) in flat
        assert told.incident_url in flat
        assert "(Europe/Berlin)" in flat
        assert "https://tokiflow.example/app/channels" in flat
        assert "None" not in flat


def test_what_strangers_wrote_is_escaped(outside):
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    told = message("opened", "failed", monitor_name=evil, organization=evil, summary=evil, reason=evil, advice=evil)
    told = message(
        "opened",
        "failed",
        **dict.fromkeys(("monitor_name", "organization", "summary", "reason", "advice", "environment"), evil),
        tags=(evil,),
        last_lines=(evil,),
        schedule_words=evil,
    )
    _, html = parts(letter(told, ["alice@harbour.example"], outside))
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_names_cannot_add_headers(outside):
    told = message(monitor_name="Backup\r\nBcc: eve@example.com\n\nbody", dedup_key="dlv\r\nX-Evil: 1")
    mail = over_the_wire(letter(told, ["alice@harbour.example"], outside))
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert mail["Subject"] == "Down: Backup Bcc: eve@example.com body missed its 02:05 ping"


@pytest.mark.parametrize("name", ["بكرة " * 60, "x" * 1_000, "\udcff", "日本語" * 100, ""])
def test_any_name_makes_a_mail_that_can_be_sent(name, outside):
    raw = letter(message(monitor_name=name), ["alice@harbour.example"], outside).as_bytes()
    assert max(len(line) for line in raw.splitlines()) < 998
    subject = over_the_wire(letter(message(monitor_name=name), ["alice@harbour.example"], outside))["Subject"]
    assert len(subject) <= letters.SUBJECT_LIMIT
    assert "Down:" in subject


def test_nothing_is_fetched_from_afar(outside):
    _, html = parts(letter(message("opened", "failed"), ["alice@harbour.example"], outside))
    assert not re.search(r"<(img|link|script|iframe)|url\(|@import", html)
    assert len(html) < 90_000, "longer mails are cut off by some mail programs"


def test_styles_hold_without_the_style_sheet():
    html = inlined(
        "<style>\n  .ink { color: #111; }\n  .pad { padding: 0; }\n  @media (x) { .ink { color: #eee !important; } }\n"
        '</style><p class="ink pad" style="padding:2px">&lt;p class="ink"&gt;</p><p class="other">x</p>'
    )
    assert '<p class="ink pad" style="color: #111; padding: 0; padding:2px">' in html
    assert html.endswith('&lt;p class="ink"&gt;</p><p class="other">x</p>')
