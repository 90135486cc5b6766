"""One run's page: what it printed, as it was, searched, and compared; never anything but text."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories import make_monitor, save
from tests.fixtures.app import Client
from tests.house.statements import statements
from tokiflow import errors
from tokiflow.core import ids
from tokiflow.models import Incident, IncidentEvent, Monitor, Organization, Ping, Run, User
from tokiflow.queries import runs as read
from tokiflow.web import outputs

ClientFor = Callable[[User], Client]
MOST_BYTES = 300_000


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def alices(client_for: ClientFor, alice: User) -> Client:
    return client_for(alice)


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization, status="up", last_ping_at=now())


def a_run(monitor: Monitor, printed: bytes | None = None, hours: float = 0, n: int = 1, **values: Any) -> Run:
    """A run that ended `hours` ago, with what it printed in the monitor's ping `n`."""
    at = now() - timedelta(hours=hours)
    kept = {} if printed is None else {"output_at": at, "output_n": n, "output_size": len(printed)}
    usual = {"at": at, "finished_at": at, "duration_ms": 9_000, "outcome": "success", "exit_code": 0}
    run = save(Run(monitor_id=monitor.id, **{**usual, **kept, **values}))
    if printed is not None:
        body = {"body": printed, "body_size": run.output_size, "body_cut": run.output_cut}
        save(Ping(monitor_id=monitor.id, n=n, at=at, signal="success", run_id=run.id, method="POST", **body))
    return run


def url(run: Run, more: str = "") -> str:
    return f"/app/monitors/{ids.public('mon', run.monitor_id)}/runs/{ids.public('run', run.id)}{more}"


def lines(page: str) -> list[str]:
    """The lines and remarks in the viewer, as a reader sees them."""
    sheet = page.partition('<div class="sheet">')[2].partition("</section>")[0]
    found = re.findall(
        r"<p class=\"remark\">(.*?)</p>|<(?:code|ins|del) [^>]*>(.*?)</(?:code|ins|del)>", sheet, re.DOTALL
    )
    return [html.unescape(re.sub(r"<[^>]*>", "", remark or line)) for remark, line in found]


def many(count: int) -> list[str]:
    return [f"station {number} answered" for number in range(1, count + 1)]


# As printed


def test_output_is_shown_as_a_terminal_would_and_handed_out_as_it_was(alices: Client, monitor: Monitor) -> None:
    printed = b"\x1b[31mred\x1b[0m\x00\r\n10 %\r100 %\n\xff\xe2\x80\xaeevil\n"
    run = a_run(monitor, printed)
    page = alices.get(url(run)).text
    assert lines(page)[:3] == ["red␀", "100 %", "��evil"]
    assert '<span class="a1">red</span>' in page
    assert "Some bytes of this output are no UTF-8" in page
    raw = alices.get(url(run, "/output"))
    assert raw.data == printed
    assert raw.headers["Content-Disposition"].startswith("attachment; filename=")
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert raw.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert raw.mimetype == "application/octet-stream"


HOSTILE = (
    "<script>alert(1)</script>",
    "</code></div></pre></section><h1>ours</h1>",
    '<img src=x onerror="alert(1)">',
    "' onmouseover='alert(1)",
    '"><a href="javascript:alert(1)">',
    "\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07",
    '\x1b["><script>alert(1)</script>m',
    "{{ 7 * 7 }}{% raw %}",
    "&lt;script&gt;",
    "nul\x00<b>",
    "\u202e<i>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_a_job_says_is_anything_but_text(alices: Client, monitor: Monitor, text: str) -> None:
    a_run(monitor, f"{text}\nbefore".encode(), hours=2, n=1)
    run = a_run(monitor, f"{text}\nafter\n{text} again".encode(), n=2, message=text.replace("\x00", ""))
    harmless = alices.get(url(run)).text
    for more in ("", "?view=difference", "?wrap=0"):
        page = alices.get(url(run, more)).text
        for markup in ("<script>alert", "<h1>ours", "<img", "onmouseover='", '<a href="javascript', "<b>", "<i>"):
            assert markup not in page, (more, markup)
        assert page.count("</section>") == harmless.count("</section>")
    searched = alices.get(url(run), query_string={"q": text}).text
    assert "<script>alert" not in searched
    assert 'onerror="alert' not in searched
    assert "onmouseover='" not in searched


def test_lines_have_numbers_to_link_to(alices: Client, monitor: Monitor) -> None:
    page = alices.get(url(a_run(monitor, b"one\ntwo"))).text
    assert '<div id="L2"><a href="#L2" tabindex="-1">2</a><code dir="auto">two</code></div>' in page
    assert "7 B, 2 lines" in page


def test_where_bytes_were_left_out_a_line_says_so(alices: Client, monitor: Monitor) -> None:
    page = alices.get(url(a_run(monitor, b"head\ntail", output_size=5_000, output_cut=5))).text
    assert lines(page) == ["head", "4,991 bytes left out here", "tail"]
    assert "the first and last 9 B were kept" in page


def test_what_is_no_text_is_offered_to_download(alices: Client, monitor: Monitor) -> None:
    run = a_run(monitor, bytes(range(256)) * 20)
    page = alices.get(url(run)).text
    assert "This output is not text." in page
    assert lines(page) == []
    assert alices.get(url(run, "/output")).data == bytes(range(256)) * 20


@pytest.mark.parametrize(
    "printed", ["".join(f"{line}\n" for line in many(20_000)), "x" * 200_000 + "\nend", "'" * 900_000]
)
def test_however_long_it_is_a_page_carries_it_and_shows_the_end(alices: Client, monitor: Monitor, printed: str) -> None:
    run = a_run(monitor, printed.encode())
    for more in ("", "?q=station", "?q=x", "?part=1", "?line=1"):
        assert len(alices.get(url(run, more)).data) < MOST_BYTES, more
    assert (
        printed.rstrip()[-3:] in lines(alices.get(url(run)).text)[-1] or "characters more" in alices.get(url(run)).text
    )


def test_a_long_output_comes_in_parts(alices: Client, monitor: Monitor) -> None:
    run = a_run(monitor, "\n".join(many(3_500)).encode())
    last = alices.get(url(run)).text
    assert lines(last)[-1] == "station 3500 answered"
    assert "to 3,500 of 3,500" in last
    assert "from-end" in last
    earlier = re.search(r'href="([^"]+)">Earlier<', last)
    assert earlier
    before = alices.get(html.unescape(earlier[1])).text
    assert int(re.findall(r'id="L(\d+)"', before)[-1]) + 1 == int(re.findall(r'id="L(\d+)"', last)[0])
    assert lines(alices.get(url(run, "?part=1")).text)[0] == "station 1 answered"
    assert 'id="L1234"' in alices.get(url(run, "?line=1234")).text


def test_the_first_sign_of_trouble_is_one_press_away(alices: Client, monitor: Monitor) -> None:
    said = many(3_000)
    said[10] = "ERROR: no berth"
    run = a_run(monitor, "\n".join(said).encode(), outcome="failed", exit_code=1)
    page = alices.get(url(run)).text
    link = re.search(r'<a href="([^"]+)">line 11</a>', page)
    assert link
    assert "ERROR: no berth" in lines(alices.get(html.unescape(link[1]).partition("#")[0]).text)


@pytest.mark.parametrize(
    "more", ["?part=x", "?part=-1", "?part=99999999999", "?line=²", "?line=0", "?wrap=2", "?view=x", "?q="]
)
def test_an_address_that_asks_for_nothing_sensible_shows_the_output(
    alices: Client, monitor: Monitor, more: str
) -> None:
    assert lines(alices.get(url(a_run(monitor, b"one\ntwo"), more)).text) == ["one", "two"]


def test_wrapping_is_a_link_and_every_link_keeps_it(alices: Client, monitor: Monitor) -> None:
    page = alices.get(url(a_run(monitor, b"one\ntwo"), "?wrap=0")).text
    assert 'class="output lines nowrap' in page
    assert "view=difference&amp;wrap=0" in page or "wrap=0&amp;view=difference" in page
    assert re.search(r'href="[^"]*wrap=1[^"]*" data-wrap-switch', page)


def test_no_output_says_why(alices: Client, monitor: Monitor) -> None:
    assert "The job sent no output." in alices.get(url(a_run(monitor))).text
    assert "nothing of it is kept any more" in alices.get(url(a_run(monitor, output_size=9))).text


def test_a_store_that_cannot_be_reached_costs_only_the_output(
    alices: Client, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(monitor, b"one")

    def unreachable(run: Run) -> None:
        raise errors.Unavailable

    monkeypatch.setattr(outputs, "read", unreachable)
    page = alices.get(url(run))
    assert page.status_code == 200
    assert "The output can’t be fetched right now; try again." in page.text
    assert alices.get(url(run, "/output")).status_code == 503


# Search


def test_a_search_shows_the_lines_around_what_it_finds(alices: Client, monitor: Monitor) -> None:
    run = a_run(monitor, "\n".join(many(1_204)).encode())
    page = alices.get(url(run, "?q=STATION+1204")).text
    assert "1 of 1,204 lines matches" in page
    assert "<mark>station 1204</mark> answered" in page
    assert lines(page) == ["1,201 lines", "station 1202 answered", "station 1203 answered", "station 1204 answered"]
    assert re.search(r'href="[^"]*line=1203#L1203"', page)
    assert "None of 1,204 lines match" in alices.get(url(run, "?q=nowhere")).text


def test_a_hit_is_found_across_colours_and_far_along_a_line(alices: Client, monitor: Monitor) -> None:
    run = a_run(monitor, b"a \x1b[1mbo\x1b[0mld\n" + b"x" * 9_000 + b"needle" + b"y" * 9_000 + "İ needle".encode())
    assert "<mark>bo</mark><mark>ld</mark>" in alices.get(url(run, "?q=bold")).text
    page = alices.get(url(run, "?q=needle")).text
    assert "<mark>needle</mark>" in page
    assert "8,800 characters before" in page


def test_too_many_hits_are_counted_and_the_first_shown(alices: Client, monitor: Monitor) -> None:
    page = alices.get(url(a_run(monitor, "\n".join(many(20_000)).encode()), "?q=answered")).text
    assert "20,000 of 20,000 lines match" in page
    assert "more further down" in page


# The difference


def test_the_difference_to_the_last_success(alices: Client, monitor: Monitor) -> None:
    a_run(monitor, b"12:00:01 begin\nold", hours=9, n=1)
    good = a_run(monitor, b"12:00:01 begin\nsent 3\ndone", hours=2, n=2)
    a_run(monitor, b"other", hours=1, n=3, outcome="failed")
    a_run(monitor, b"other", hours=1, n=4, environment="staging")
    a_run(monitor, hours=0.5)
    run = a_run(monitor, b"14:00:07 begin\n\x1b[31msent 2\x1b[0m\nfailed\n<b>", n=5, outcome="failed")
    page = alices.get(url(run, "?view=difference")).text
    assert lines(page) == [
        "14:00:07 begin", "Removed: sent 3", "Removed: done", "Added: sent 2", "Added: failed", "Added: <b>",
    ]  # fmt: skip
    assert f'3 lines are new and 2 are missing against <a href="{url(good, "#output")}">the last successful run' in page
    assert "2 hours before" in page
    assert lines(alices.get(url(good, "?view=difference")).text)[-1] == "Added: done"


def test_no_difference_and_nothing_to_compare_with(alices: Client, monitor: Monitor) -> None:
    first = a_run(monitor, b"took 3 s", hours=5, n=1)
    second = a_run(monitor, b"took 4 s", hours=4, n=2)
    assert "no run succeeded and sent its output" in alices.get(url(first, "?view=difference")).text
    assert "Nothing differs from" in alices.get(url(second, "?view=difference")).text
    a_run(monitor, hours=3, output_at=now(), output_n=99, output_size=8)
    assert "is not kept any more" in alices.get(url(a_run(monitor, b"x", n=3), "?view=difference")).text
    a_run(monitor, bytes(range(256)), n=4)
    assert "can’t be compared" in alices.get(url(a_run(monitor, b"x", n=5), "?view=difference")).text


def test_long_outputs_are_compared_by_their_ends(alices: Client, monitor: Monitor) -> None:
    a_run(monitor, "\n".join(many(20_000)).encode(), hours=2, n=1)
    run = a_run(monitor, "\n".join([*many(20_000), "Killed"]).encode(), n=2)
    page = alices.get(url(run, "?view=difference"))
    assert "1 line is new and none is missing against" in page.text
    assert "only their last lines were" in page.text
    assert lines(page.text)[-1] == "Added: Killed"
    quite_different = a_run(monitor, "\n".join(f"{n} <&'> {n}" for n in range(20_000)).encode(), n=3)
    page = alices.get(url(quite_different, "?view=difference"))
    assert len(page.data) < MOST_BYTES
    assert "Only the beginning of the difference is shown." in page.text


def test_the_last_success_is_looked_for_in_the_ninety_days_before(monitor: Monitor) -> None:
    a_run(monitor, b"x", hours=24 * 99, n=1)
    run = a_run(monitor, b"x", n=2)
    assert read.last_success_before(run) is None
    near = a_run(monitor, b"x", hours=24 * 80, n=3)
    assert read.last_success_before(run) == near
    assert read.last_success_before(near) is not None


def test_the_difference_costs_two_statements(alices: Client, monitor: Monitor) -> None:
    a_run(monitor, b"x", hours=1, n=1)
    run = a_run(monitor, b"y", n=2)

    def asked(more: str) -> int:
        with statements() as sent:
            assert alices.get(url(run, more)).status_code == 200
        return len(sent)

    assert asked("?view=difference") == asked("") + 2


# Elsewhere


def test_an_incident_shows_the_last_lines_in_their_colours(alices: Client, monitor: Monitor) -> None:
    run = a_run(monitor, "\n".join([*many(30), "\x1b[31m<b>disk full\x1b[0m", "", ""]).encode(), outcome="failed")
    incident = save(
        Incident(
            organization_id=monitor.organization_id, monitor_id=monitor.id, class_="outage", kind="failed",
            status="open", opened_at=now(), last_opened_at=now(), summary="exit code 1",
        )
    )  # fmt: skip
    detail = {"kind": "failed", "run": ids.public("run", run.id)}
    values = {"at": now(), "last_at": now(), "what": "opened", "text": "exit code 1", "by": "the job", "by_kind": "job"}
    save(IncidentEvent(incident_id=incident.id, detail=detail, **values))
    page = alices.get(f"/app/incidents/{ids.public('inc', incident.id)}").text
    assert '<span class="a1">&lt;b&gt;disk full</span>' in page
    assert "station 12 answered" in page
    assert "station 11 answered" not in page
    assert f"{url(run)}?view=difference#output" in page
