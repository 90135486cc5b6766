"""Components hold with believable and with extreme data, and never need an inline style or script."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template, render_template_string
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect

import tokiflow
from tokiflow.web import filters, gallery, htmx, scene

ROOT = Path(tokiflow.__file__).parent
NOW = datetime(2025, 11, 21, 10, 17, tzinfo=UTC)


@pytest.fixture
def drawing() -> Iterator[Flask]:
    app = Flask("tokiflow", root_path=str(ROOT), static_url_path="/static")
    app.config.update(SECRET_KEY="only for drawing", TESTING=True)
    CSRFProtect(app)
    filters.init_app(app)
    app.register_blueprint(gallery.blueprint)
    with app.test_request_context():
        filters.look(NOW, ZoneInfo("Europe/Berlin"))
        yield app


@pytest.fixture
def client(drawing: Flask) -> FlaskClient:
    return drawing.test_client()


def draw(macro: str, source: str, **context: object) -> str:
    return render_template_string(f'{{% from "components/{macro}.html" import {macro} %}}{source}', **context)


def test_the_gallery_draws_every_component(client: FlaskClient) -> None:
    body = client.get("/dev/gallery").text
    assert "Two jobs need you" in body
    assert body.count("<main") == 1
    assert len(re.findall(r"<h1", body)) == 1


def test_a_wrong_form_comes_back_with_its_errors_tied_to_the_fields(drawing: Flask, client: FlaskClient) -> None:
    drawing.config["WTF_CSRF_ENABLED"] = False
    answer = client.post("/dev/gallery", data={"expression": "0 2 * * * * *"})
    assert answer.status_code == 422
    assert 'aria-describedby="name-error name-help"' in answer.text
    assert '<a href="#name">Name: Write a name, such as Nightly backup.</a>' in answer.text
    assert 'value="0 2 * * * * *"' in answer.text


def test_the_question_before_a_deletion_is_a_page_and_a_part(client: FlaskClient) -> None:
    page, part = client.get("/dev/gallery/delete"), client.get("/dev/gallery/delete", headers={"HX-Request": "true"})
    assert "<!doctype html>" in page.text
    assert "<!doctype html>" not in part.text
    assert "1,204" in page.text
    assert "1,204" in part.text
    assert "HX-Request" in page.headers["Vary"]
    assert "HX-Request" in part.headers["Vary"]


def test_pages_carry_no_inline_style_script_or_handler(client: FlaskClient) -> None:
    pages = [client.get("/dev/gallery").text, client.get("/dev/gallery/delete").text]
    pages += [render_template("front.html", scene=scene.rows(), now=NOW)]
    pages += [render_template("errors/error.html", status=404, title="Not found", now=NOW)]
    for body in pages:
        assert not re.search(r"\sstyle=|<style|\son\w+=|hx-on|javascript:|js:|<script(?![^>]*\ssrc=)", body)


def test_every_asset_of_a_page_exists(client: FlaskClient) -> None:
    for url in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/dev/gallery").text)):
        with client.get(url) as answer:
            assert answer.status_code == 200, url


def test_words_of_others_are_escaped(drawing: Flask) -> None:
    bad = '<img src=x onerror="alert(1)">'
    drawn = draw("status", "{{ status('up', bad) }}", bad=bad) + draw("tag", "{{ tag(bad) }}", bad=bad)
    drawn += draw(
        "timeline",
        "{% from 'components/timeline.html' import entry %}"
        "{% call entry('down', at=now, by=bad, quote=bad) %}x{% endcall %}",
        bad=bad,
        now=NOW,
    )
    drawn += render_template_string("{{ bad | breakable }}", bad=bad)
    assert "<img" not in drawn


def test_two_hundred_tags_are_counted_not_poured_out(drawing: Flask) -> None:
    drawn = render_template_string(
        '{% from "components/tag.html" import tags %}{{ tags(names) }}', names=[f"tag-{k}" for k in range(200)]
    )
    assert "194 more" in drawn
    assert drawn.count('class="tag"') == 7


@pytest.mark.parametrize("kind", ["up", "late", "down", "paused", "new", "running"])
def test_a_status_is_a_shape_and_a_word(drawing: Flask, kind: str) -> None:
    drawn = draw("status", "{{ status(kind) }}", kind=kind)
    assert "<svg" in drawn
    assert kind.capitalize() in drawn


@pytest.mark.parametrize(("severity", "shape"), [("critical", "down"), ("warning", "late")])
def test_an_open_incident_is_red_only_where_something_is_down(drawing: Flask, severity: str, shape: str) -> None:
    macro = '{% from "components/status.html" import incident_status, status %}'
    drawn, meant = (
        render_template_string(macro + text)
        for text in (f'{{{{ incident_status("open", "{severity}") }}}}', f'{{{{ status("{shape}", "Open") }}}}')
    )
    assert drawn.strip() == meant.strip()


@pytest.mark.parametrize(
    ("at", "ago", "clock"),
    [
        (NOW - timedelta(hours=9), "9 hours ago", "02:17"),
        (NOW - timedelta(days=1), "1 day ago", "yesterday 11:17"),
        (NOW + timedelta(days=1), "in 1 day", "tomorrow 11:17"),
        (datetime(2025, 10, 3, tzinfo=UTC), "49 days ago", "3 Oct, 02:00"),
        (datetime(2024, 10, 3, tzinfo=UTC), "414 days ago", "3 Oct 2024, 02:00"),
    ],
)
def test_times_are_told_in_the_zone_of_the_viewer(drawing: Flask, at: datetime, ago: str, clock: str) -> None:
    assert (filters.ago(at), filters.clock(at)) == (ago, clock)


def test_the_exact_time_names_its_zone(drawing: Flask) -> None:
    assert filters.exact(NOW) == "Fri 21 Nov 2025, 11:17:00 CET"
    filters.look(NOW, ZoneInfo("Australia/Lord_Howe"))
    assert filters.exact(NOW) == "Fri 21 Nov 2025, 21:17:00 UTC+11:00"


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        (None, "–"),
        (0, "0 %"),
        (0.5, "50 %"),
        (0.98889, "98.9 %"),
        (0.99999, "99.99 %"),
        (0.99951, "99.95 %"),
        (1, "100 %"),
    ],
)
def test_a_hundred_percent_is_only_said_when_it_is_true(fraction: float | None, words: str) -> None:
    assert filters.percent(fraction) == words


def test_a_post_sends_a_browser_on_and_tells_htmx_where(drawing: Flask) -> None:
    answer = htmx.see_other("/app")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/app")
    with drawing.test_request_context(headers={"HX-Request": "true", "HX-Target": "div#monitors"}):
        assert htmx.see_other("/app").headers["HX-Redirect"] == "/app"
        assert htmx.target() == "monitors"
    with drawing.test_request_context(headers={"HX-Request": "true", "HX-Boosted": "true"}):
        assert not htmx.is_htmx()


def test_vendored_files_are_the_ones_their_readme_names() -> None:
    named = 0
    for readme in (ROOT / "static" / "vendor").glob("*/README.md"):
        assert (readme.parent / "LICENSE").exists()
        for file, digest in re.findall(r"\| `([^`]+)` \| `([0-9a-f]{64})` \|", readme.read_text()):
            assert hashlib.sha256((readme.parent / file).read_bytes()).hexdigest() == digest, file
            named += 1
    assert named >= 6
