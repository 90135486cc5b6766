"""Whatever is sent, nothing breaks and nothing of it runs: every form, every address, every call of the API.

What is tried is drawn with a fixed seed. A longer run: HOSTILE=10 make test ARGS=tests/house/test_hostile.py
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import String, Text, update
from sqlalchemy.dialects.postgresql import ARRAY

from tests.api.conftest import make_key
from tests.factories import make_channel
from tests.fixtures.app import Client
from tests.house import hostile
from tests.house.hostile import Form, Page, troubles
from tests.house.test_access import WORDS, Stop, stops
from tests.house.things import make_personal_things, make_things
from tests.web.posting import token_on
from tokiflow.api import operations, rates
from tokiflow.db import db, transaction
from tokiflow.models import Organization, User

ROUNDS = int(os.environ.get("HOSTILE", "1"))
NOW = datetime.now(UTC)


@pytest.fixture
def names(organization: Organization, alice: User) -> Callable[[], dict[str, str]]:
    """`names()`: what stands in addresses for things that exist."""
    return lambda: WORDS | make_things(organization, NOW) | make_personal_things(alice, organization, NOW)


@pytest.fixture
def hers(client_for: Callable[[User], Client], alice: User) -> Client:
    return client_for(alice)


@pytest.fixture(autouse=True)
def unhurried(app: Flask) -> Iterator[None]:
    """Nobody is told to come back later: what lies behind the limits is what we want to see."""
    from tokiflow import extensions

    was, app.config[rates.RATE] = app.config.get(rates.RATE, rates.USUAL), "1000000 per minute"
    enabled, extensions.limiter.enabled = extensions.limiter.enabled, False
    yield
    app.config[rates.RATE], extensions.limiter.enabled = was, enabled


class Findings:
    """What went wrong, in the words that lead to it again."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.asked = 0

    def see(self, answer: Any, what: str) -> None:
        self.asked += 1
        self.found += [f"{what}: {trouble}" for trouble in troubles(answer)]

    def none(self) -> None:
        assert self.found[:20] == [], f"{len(self.found)} of {self.asked}"


def looks(app: Flask, *, signed_in: bool = True) -> list[Stop]:
    return [stop for stop in stops(app) if stop.method == "GET" and (signed_in or stop.right == "public")]


def forms_of(client: Client, addresses: list[str]) -> list[Form]:
    """Every form on these pages, once, the ones that end something last."""
    found: dict[str, Form] = {}
    for address in addresses:
        answer = client.get(address)
        if answer.status_code == 200 and answer.mimetype == "text/html":
            for form in Page(answer.text, address).forms:
                if form.action.startswith("/"):
                    found.setdefault(f"{form} {sorted(form.names)}", form)
    return sorted(found.values(), key=lambda form: (form.ends_something, str(form)))


def send(client: Client, form: Form, pairs: list[tuple[str, str]], headers: dict[str, str] | None = None) -> Any:
    body = hostile.encoded(pairs)
    if form.method == "GET":
        joint = "&" if "?" in form.action else "?"
        return client.get(form.action + joint + body.decode(), headers=headers)
    return client.post(form.action, data=body, content_type="application/x-www-form-urlencoded", headers=headers)


def test_every_page_obeys_the_policy(app, hers, client, names, subtests):
    """What would run or be styled inline is not there, so nothing has to be allowed."""
    there = names()
    for stop in looks(app):
        for who in (hers, client):
            answer = who.get(stop.address(there))
            if answer.mimetype == "text/html" and "unsafe" not in answer.headers["Content-Security-Policy"]:
                with subtests.test(str(stop)):
                    assert Page(answer.text).wrong == []


def test_every_form_takes_whatever_is_written_into_it(app, hers, organization, names):
    there, findings, dice = names(), Findings(), random.Random(5)
    for kind in ("webhook", "email", "slack_app"):
        make_channel(organization, kind)
    pages = [stop.address(there) for stop in looks(app)]
    forms = forms_of(hers, pages)
    assert len(forms) > 30, "the forms were not found"
    for form in forms:
        token = {"X-CSRFToken": dict(form.fields).get("csrf_token", "")} if form.method == "POST" else {}
        if not token.get("X-CSRFToken") and form.method == "POST":
            token = {"X-CSRFToken": token_of(hers)}
        for name in form.names:
            for text in hostile.some(hostile.STRINGS, 2 * ROUNDS, dice):
                ways = token | ({"HX-Request": "true"} if dice.random() < 0.3 else {})
                answer = send(hers, form, form.sent_with(name, text), ways)
                findings.see(answer, f"{form} {name}={text[:40]!r}")
        for text in hostile.some(hostile.STRINGS, ROUNDS, dice):
            everywhere = [(name, text) for name, _ in form.fields if name != "csrf_token"]
            findings.see(
                send(hers, form, [*everywhere, *everywhere, (text[:200], "x")], token), f"{form} all={text[:40]!r}"
            )
        findings.see(send(hers, form, [], token), f"{form} with nothing")
    for page in pages:
        findings.see(hers.get(page), f"{page} afterwards")
    findings.none()


def test_what_strangers_wrote_is_shown_and_never_runs(app, hers, names):
    """In every column that holds somebody's words, whatever table it is in."""
    there, findings = names(), Findings()
    write_everywhere("<tkevil onload=tkevil()>\"' tkattr='x' {{313*331}}")
    shown = 0
    for page in (stop.address(there) for stop in looks(app)):
        answer = hers.get(page)
        findings.see(answer, page)
        shown += answer.mimetype == "text/html" and "&lt;tkevil" in answer.text
    findings.none()
    assert shown > 15, "it was hardly shown anywhere"


SOMEBODYS_WORDS = {
    "name", "description", "tags", "summary", "reason", "text", "by", "paused_by", "acknowledged_by", "resolved_by",
    "object_name", "message", "error", "last_error", "disabled_reason", "bounce_reason", "fetch_error", "response",
    "because", "user_agent", "source", "team_name", "device",
}  # fmt: skip


def write_everywhere(evil: str) -> None:
    with transaction():
        for table in db.metadata.sorted_tables:
            for column in table.columns:
                if column.name in SOMEBODYS_WORDS and not column.foreign_keys:
                    length = getattr(column.type, "length", None)
                    many = isinstance(column.type, ARRAY)
                    if many or (isinstance(column.type, Text | String) and (length or 200) >= len(evil)):
                        db.session.execute(update(table).values({column.name: [evil] if many else evil}))


def token_of(client: Client) -> str:
    return token_on(client, "/nowhere")


def test_every_change_survives_bodies_that_are_none(app, hers, client, names):
    there, findings, dice = names(), Findings(), random.Random(6)
    for stop in (one for one in stops(app) if one.method != "GET"):
        for who in (hers, client):
            token = {"X-CSRFToken": token_of(who)}
            for kind, body in hostile.some(hostile.BODIES, 3 * ROUNDS, dice):
                answer = who.open(stop.address(there), method=stop.method, data=body, content_type=kind, headers=token)
                findings.see(answer, f"{stop} as {kind[:60]} {body[:40]!r}")
    findings.none()


def test_every_address_survives_names_and_queries_that_are_none(app, hers, client, names):
    there, findings, dice = names(), Findings(), random.Random(7)
    for stop in looks(app):
        for name in sorted(stop.names):
            for path in hostile.some(hostile.PATHS, 3 * ROUNDS, dice):
                findings.see(hers.get(stop.address(there | {name: path})), f"{stop} {name}={path[:40]!r}")
        for text in hostile.some(hostile.STRINGS, 3 * ROUNDS, dice):
            for parameter in hostile.some(QUERY, 1, dice):
                query = hostile.encoded([(parameter, text), (text[:100], parameter), (parameter, text)]).decode()
                findings.see(hers.get(f"{stop.address(there)}?{query}"), f"{stop} ?{parameter}={text[:40]!r}")
    for path in hostile.PATHS:
        findings.see(client.get(f"/{path.lstrip('/')}"), f"/{path[:40]}")
        findings.see(client.get(f"/api/v1/{path}"), f"/api/v1/{path[:40]}")
        findings.see(client.get(f"/static/{path}"), f"/static/{path[:40]}")
    findings.none()


QUERY = (
    "next", "q", "status", "tag", "page", "cursor", "after", "before", "sort", "window", "kind", "days", "limit", "%ff",
    "range", "from", "until", "code", "state", "error", "monitor", "environment", "search", "line", "base",
)  # fmt: skip


def test_every_page_survives_headers_that_are_none(app, client_for, alice, names):
    there, findings, dice = names(), Findings(), random.Random(8)
    for stop in looks(app):
        for name, value in hostile.some(hostile.HEADERS, 2 * ROUNDS, dice):
            environment = (
                {f"HTTP_{name.upper().replace('-', '_')}": value}
                if name != "Content-Length"
                else {"CONTENT_LENGTH": value}
            )
            answer = client_for(alice).get(stop.address(there), environ_overrides=environment)
            findings.see(answer, f"{stop} {name}: {value[:40]!r}")
    findings.none()


def test_every_call_of_the_api_survives_what_it_does_not_describe(app, client, organization, names):
    there, findings, dice = names(), Findings(), random.Random(9)
    key = {"Authorization": f"Bearer {make_key(organization)}"}
    table = sorted(operations(), key=lambda one: one.method == "DELETE")
    for one in table:
        path = address_of(one, there)
        for wrong in hostile.some(hostile.PATHS, 3 * ROUNDS, dice):
            for name in arguments_of(one):
                address = address_of(one, there | {name: wrong})
                findings.see(client.open(address, method=one.method, headers=key), f"{one.name} {name}={wrong[:30]!r}")
        for parameter in one.query:
            for text in hostile.some(hostile.STRINGS, 3 * ROUNDS, dice):
                query = hostile.encoded([(parameter.name, text), (parameter.name, text)]).decode()
                answer = client.open(f"{path}?{query}", method=one.method, headers=key)
                findings.see(answer, f"{one.name} ?{parameter.name}={text[:30]!r}")
        if one.body:
            for what, value in bodies(one.body.example, dice):
                findings.see(client.open(path, method=one.method, json=value, headers=key), f"{one.name} {what}")
            for kind, raw in hostile.some(hostile.BODIES, 6 * ROUNDS, dice):
                answer = client.open(path, method=one.method, data=raw, content_type=kind, headers=key)
                findings.see(answer, f"{one.name} as {kind[:60]} {raw[:30]!r}")
    findings.none()


def arguments_of(operation: Any) -> list[str]:
    return [part[1:-1].rpartition(":")[2] for part in operation.path.split("/") if part.startswith("<")]


def address_of(operation: Any, there: dict[str, str]) -> str:
    path = str(operation.path)
    for name in arguments_of(operation):
        path = path.replace(f"<{name}>", there.get(name, "none"))
    return path


def bodies(example: Any, dice: random.Random) -> Iterator[tuple[str, Any]]:
    """`example` with something in it that does not belong there, one place at a time."""
    for place in places(example):
        wrong = [*hostile.some(hostile.WRONG_TYPES, 3 * ROUNDS, dice), *hostile.some(hostile.STRINGS, 3 * ROUNDS, dice)]
        for value in wrong:
            changed = copy.deepcopy(example)
            inner = changed
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = value
            yield f"{'.'.join(map(str, place))}={str(value)[:30]!r}", changed


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in inner:
        yield (*path, step)
        yield from places(below, (*path, step))


def test_the_reader_of_pages_would_notice():
    """Nothing above is worth anything if this is not so."""
    evil = '<p style="x"><script>tkevil()</script><a href=" java\nscript:x">a</a><i onclick="x">'
    assert len(Page(evil).wrong) == 4
    assert Page('<p title="&lt;tkevil onload=1&gt;">&lt;script&gt;</p><script src="/a.js"></script>').wrong == []
    (form,) = Page('<form action="/x" method="post"><input name="a" value="1"><select name="b"><option value="2">'
                   '<option selected value="3"></select><textarea name="c">d</textarea></form>').forms  # fmt: skip
    assert (form.method, form.action, form.fields) == ("POST", "/x", [("a", "1"), ("b", "3"), ("c", "d")])
