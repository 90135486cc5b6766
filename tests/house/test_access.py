"""Every route of the app, walked as everybody: made from the url map, so a new page is in it from its first day."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.factories import make_monitor, make_user
from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.house.things import make_personal_things, make_things
from tokiflow.core.roles import Right, Role, allows
from tokiflow.models import Organization, User
from tokiflow.web import access

NOW = datetime.now(UTC)
OF_A_PERSON = ("/app/settings/exports", "/app/settings/data")
"""Pages about somebody, wherever they belong."""

PERSONAL = {"export_id"}
"""What an address can name that is one person's own."""

THINGS = {"monitor_id", "run_id", "incident_id", "channel_id", "delivery_id", "window_id", "rule_id", "installation_id"}
WORDS = {"kind": "webhook", "token": "none", "mail_id": "none"}
"""What stands in an address and is no thing of an organization."""

OTHERWISE = {"static": "files of ours, the same for all", "metrics": "METRICS_TOKEN, see tests/observability"}
"""Views that are not behind `access`, and what guards them."""

SIGNED = ("/hooks/", "/unsubscribe/<token>")
"""Where other services call, which have no session that could be misused: each request is signed instead. Mail programs
unsubscribe with nothing but the address (RFC 8058), and in it is the signature."""

_NONE = dict.fromkeys(PERSONAL, "none")

DONE = {200, 303, 409, 422}
NOBODYS = "ffffffffffffffffffffffffff"


@dataclass(frozen=True)
class Stop:
    """One method on one route: a stop of the walk."""

    method: str
    rule: str
    names: frozenset[str]
    right: Any

    def address(self, things: dict[str, str]) -> str:
        path = self.rule
        for name in self.names:
            path = path.replace(f"<{name}>", (_NONE | WORDS | things)[name])
        return path

    @property
    def about_a_thing(self) -> bool:
        return bool(self.names & THINGS)

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"


def stops(app: Flask, *, api: bool = False) -> list[Stop]:
    """Every method on every route of the pages, or of the API."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint in OTHERWISE or (rule.endpoint.startswith("api.") is not api):
            continue
        right = getattr(app.view_functions[rule.endpoint], access.RULE)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(Stop(method, rule.rule, frozenset(rule.arguments), right))
    return sorted(found, key=str)


@pytest.fixture(autouse=True)
def without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged requests are refused before anybody asks who may; here we ask who may."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def things(organization: Organization) -> Callable[[], dict[str, str]]:
    """`things()`: fresh ones of Harbour Freight, for a walk that deletes what it passes."""
    return lambda: make_things(organization, NOW)


def to_sign_in(response: TestResponse) -> bool:
    return response.status_code == 303 and response.headers["Location"].startswith("/auth/sign-in")


# --- what holds for all -----------------------------------------------------------------------------------------


def test_every_view_says_who_may_see_it(app: Flask) -> None:
    silent = [name for name, view in app.view_functions.items() if not hasattr(view, access.RULE)]
    assert set(silent) == set(OTHERWISE)


def test_the_walk_knows_what_to_put_into_every_address(app: Flask) -> None:
    names = set().union(*(stop.names for stop in stops(app)))
    assert names <= THINGS | PERSONAL | set(WORDS), "teach THINGS or WORDS what the new name stands for"


def test_whoever_changes_something_needs_a_right_to(app: Flask) -> None:
    about_things = [stop for stop in stops(app) if stop.method != "GET" and stop.about_a_thing]
    assert [str(stop) for stop in about_things if stop.right in ("public", "person", Right.SEE)] == []


def test_every_page_of_an_organization_needs_a_right(app: Flask) -> None:
    inside = [stop for stop in stops(app) if stop.rule.startswith("/app") and not isinstance(stop.right, Right)]
    assert {stop.right for stop in inside} == {"person"}
    assert [str(stop) for stop in inside if not stop.rule.startswith(OF_A_PERSON)] == ["POST /app/switch-organization"]


# --- the walk ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_members_may_do_what_their_role_allows(
    app: Flask,
    role: Role,
    request: pytest.FixtureRequest,
    client_for: Callable[[User], Client],
    things: Callable[[], dict[str, str]],
    subtests: pytest.Subtests,
) -> None:
    names = {Role.OWNER: "alice", Role.ADMIN: "adam", Role.MEMBER: "mia", Role.VIEWER: "vera"}
    client = client_for(request.getfixturevalue(names[role]))
    for stop in (one for one in stops(app) if isinstance(one.right, Right)):
        with subtests.test(f"{role}: {stop}"):
            answer = client.open(stop.address(things()), method=stop.method)
            if allows(role, stop.right):
                assert answer.status_code in DONE
            else:
                assert answer.status_code == 403


def test_for_an_outsider_nothing_exists(
    app: Flask,
    charlie: User,
    client_for: Callable[[User], Client],
    things: Callable[[], dict[str, str]],
    subtests: pytest.Subtests,
) -> None:
    client, theirs = client_for(charlie), things()
    nobodys = {name: public[:4] + NOBODYS[:26] for name, public in theirs.items()}
    for stop in (one for one in stops(app) if isinstance(one.right, Right)):
        with subtests.test(str(stop)):
            answer = client.open(stop.address(theirs), method=stop.method)
            if not stop.about_a_thing:
                assert answer.status_code in DONE, "in his own organization Charlie is the owner"
                continue
            assert answer.status_code == 404
            unknown = client.open(stop.address(nobodys), method=stop.method)
            assert unknown.status_code == 404
            assert looks(answer) == looks(unknown), "the two must look the same"


def looks(answer: TestResponse) -> str:
    """The page, without what is different each time: the moment, the reference, the token of the form."""
    text = answer.text.replace(answer.headers.get("X-Request-ID", "no reference"), "")
    return re.sub(r'data-now="[^"]*"|content="[\w.-]{60,}"|"X-CSRFToken": "[\w.-]+"', "", text)


def test_a_thing_of_ones_own_lends_no_way_to_others(
    app: Flask,
    charlie: User,
    other_organization: Organization,
    client_for: Callable[[User], Client],
    things: Callable[[], dict[str, str]],
    subtests: pytest.Subtests,
) -> None:
    client, theirs = client_for(charlie), things()
    for stop in (one for one in stops(app) if len(one.names & THINGS) > 1):
        with subtests.test(str(stop)):
            own = make_things(other_organization, NOW)
            first = next(name for name in stop.rule.replace("<", ">").split(">") if name in THINGS)
            assert client.open(stop.address({**theirs, first: own[first]}), method=stop.method).status_code == 404
            assert client.open(stop.address({**own, first: theirs[first]}), method=stop.method).status_code == 404


def test_nobody_is_sent_to_sign_in(
    app: Flask, client: Client, things: Callable[[], dict[str, str]], subtests: pytest.Subtests
) -> None:
    there = things()
    for stop in (one for one in stops(app) if one.right != "public"):
        with subtests.test(str(stop)):
            assert to_sign_in(client.open(stop.address(there), method=stop.method))


def test_what_is_a_persons_own_does_not_exist_for_others(
    app: Flask,
    organization: Organization,
    alice: User,
    adam: User,
    client_for: Callable[[User], Client],
    subtests: pytest.Subtests,
) -> None:
    hers, his = client_for(alice), client_for(adam)
    for stop in (one for one in stops(app) if one.names & PERSONAL):
        with subtests.test(str(stop)):
            own = make_personal_things(alice, organization, NOW)
            nobodys = {name: public[:4] + NOBODYS for name, public in own.items()}
            theirs, unknown = (his.open(stop.address(one), method=stop.method) for one in (own, nobodys))
            assert (theirs.status_code, unknown.status_code) == (404, 404)
            assert looks(theirs) == looks(unknown)
            assert hers.open(stop.address(own), method=stop.method).status_code in DONE


def test_public_pages_never_break(
    app: Flask, alice: User, client: Client, client_for: Callable[[User], Client], subtests: pytest.Subtests
) -> None:
    for stop in (one for one in stops(app) if one.right == "public"):
        with subtests.test(str(stop)):
            for who in (client, client_for(alice)):
                assert who.open(stop.address({}), method=stop.method).status_code < 500


def test_nobody_comes_into_the_api_with_a_session(
    app: Flask,
    alice: User,
    client_for: Callable[[User], Client],
    things: Callable[[], dict[str, str]],
    subtests: pytest.Subtests,
) -> None:
    client, there = client_for(alice), things()
    for stop in (one for one in stops(app, api=True) if one.right != "public"):
        with subtests.test(str(stop)):
            assert client.open(stop.address(there), method=stop.method).status_code == 401


def sent_by_machines(stop: Stop) -> bool:
    return stop.rule.startswith(SIGNED[0]) or stop.rule in SIGNED


def test_a_form_that_another_site_sends_is_refused(
    app: Flask,
    alice: User,
    client_for: Callable[[User], Client],
    things: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    client, there = client_for(alice), things()
    for stop in (one for one in stops(app) if one.method != "GET" and not sent_by_machines(one)):
        with subtests.test(str(stop)):
            assert client.open(stop.address(there), method=stop.method).status_code == 400


def test_looking_changes_nothing(
    app: Flask,
    alice: User,
    client_for: Callable[[User], Client],
    things: Callable[[], dict[str, str]],
    subtests: pytest.Subtests,
) -> None:
    client, there = client_for(alice), things()
    for stop in (one for one in stops(app) if one.method == "GET"):
        with subtests.test(str(stop)):
            with statements() as sent:
                client.get(stop.address(there))
            assert [one for one in sent if not one.lstrip("( \n").upper().startswith(("SELECT", "WITH"))] == []
            assert not any("FOR UPDATE" in one or "FOR NO KEY" in one for one in sent)


def test_a_person_without_any_organization_sees_none(
    app: Flask, client_for: Callable[[User], Client], subtests: pytest.Subtests
) -> None:
    """Whoever was removed from their last organization keeps an account, and nothing else."""
    client = client_for(make_user("Dora"))
    for stop in (one for one in stops(app) if isinstance(one.right, Right) and not one.names):
        with subtests.test(str(stop)):
            assert client.open(stop.address({}), method=stop.method).status_code == 404


def test_what_strangers_wrote_never_runs(
    organization: Organization, alice: User, client_for: Callable[[User], Client]
) -> None:
    evil = "<script>alert(1)</script>"
    make_monitor(organization, evil, tags=["<i>tag"], description=evil)
    for page in ("/app", "/app/monitors"):
        assert evil not in client_for(alice).get(page).text
