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

from tests.factories import make_membership, make_monitor, make_user
from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.house.things import make_personal_things, make_things
from tokiflow.core import ids
from tokiflow.core.roles import Right, Role, allows
from tokiflow.db import db, transaction
from tokiflow.models import Membership, Organization, User
from tokiflow.queries import memberships
from tokiflow.web import access, proofs

NOW = datetime.now(UTC)
OF_A_PERSON = tuple(
    f"/app/settings/{page}" for page in ("exports", "sessions", "google", "profile", "security", "data")
)
OF_A_PERSON += ("/app/organizations", "/app/switch-organization")
OF_A_PERSON += ("/app/incidents/presets", "/app/incidents/comments")
"""Pages about somebody, wherever they belong."""

PERSONAL = {"export_id", "session_id", "passkey_id", "preset_id", "comment_id"}
"""What an address can name that is one person's own."""

THINGS = {
    "monitor_id", "run_id", "incident_id", "channel_id", "delivery_id", "window_id", "rule_id", "installation_id",
    "key_id", "invitation_id", "member_id",
}  # fmt: skip
WORDS = {"kind": "webhook", "token": "none", "mail_id": "none", "what": "failed"}
"""What stands in an address and is no thing of an organization."""

OTHERWISE = {"static": "files of ours, the same for all", "metrics": "METRICS_TOKEN, see tests/observability"}
"""Views that are not behind `access`, and what guards them."""

SIGNED = ("/hooks/", "/unsubscribe/<token>", "/reports/unsubscribe/<token>")
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
    proved: bool = False
    """Whether it asks again who one is."""
    does: str = ""
    """What it does, in a sentence."""

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
        view = app.view_functions[rule.endpoint]
        right, proved = getattr(view, access.RULE), hasattr(view, proofs.NEEDED)
        does = (view.__doc__ or "").strip().partition("\n")[0]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(Stop(method, rule.rule, frozenset(rule.arguments), right, proved, does))
    return sorted(found, key=str)


@pytest.fixture(autouse=True)
def without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged requests are refused before anybody asks who may; here we ask who may."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


class Things:
    """What there is at Harbour Freight: `things()`. Fresh ones when something was done to them, for a walk that deletes
    what it passes."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._made: dict[str, str] = {}

    def __call__(self) -> dict[str, str]:
        self._made = self._made or make_things(self._organization, NOW)
        return self._made

    def ask(self, client: Client, stop: Stop, **more: Any) -> TestResponse:
        """What `stop` answers `client`."""
        answer = client.open(stop.address(self()), method=stop.method, **more)
        if stop.method != "GET" and stop.about_a_thing and answer.status_code < 400:
            self._made = {}
        return answer


@pytest.fixture
def things(organization: Organization) -> Things:
    return Things(organization)


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
    assert [str(stop) for stop in inside if not stop.rule.startswith(OF_A_PERSON)] == []


# --- the walk ---------------------------------------------------------------------------------------------------


NAMES = {Role.OWNER: "alice", Role.ADMIN: "adam", Role.MEMBER: "mia", Role.VIEWER: "vera"}


@pytest.fixture
def put_back(organization: Organization) -> Callable[[User, Role], None]:
    """`put_back(mia, Role.MEMBER)`: she is in Harbour Freight as if she had not just left."""

    def put(user: User, role: Role) -> None:
        if memberships.role_of(organization.id, user.id) is not role:
            with transaction():
                db.session.merge(Membership(organization_id=organization.id, user_id=user.id, role=str(role)))

    return put


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_members_may_do_what_their_role_allows(
    app: Flask,
    role: Role,
    request: pytest.FixtureRequest,
    client_for: Callable[[User], Client],
    things: Things,
    put_back: Callable[[User, Role], None],
    subtests: pytest.Subtests,
) -> None:
    user = request.getfixturevalue(NAMES[role])
    client = client_for(user)
    for stop in (one for one in stops(app) if isinstance(one.right, Right)):
        with subtests.test(f"{role}: {stop}"):
            put_back(user, role)
            answer = things.ask(client, stop)
            if allows(role, stop.right):
                assert answer.status_code in DONE
            else:
                assert answer.status_code == 403


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OWNER], ids=str)
def test_owning_another_organization_lends_nothing_in_this_one(
    app: Flask,
    role: Role,
    request: pytest.FixtureRequest,
    organization: Organization,
    other_organization: Organization,
    client_for: Callable[[User], Client],
    things: Things,
    put_back: Callable[[User, Role], None],
    subtests: pytest.Subtests,
) -> None:
    """Who owns Charlie's organization and works there asks for things of Harbour Freight, by the thing and by name.

    Whatever it could lend to anybody, it could lend to a viewer; whatever it could take, it could take from an owner.
    """
    user = request.getfixturevalue(NAMES[role])
    make_membership(other_organization, user, Role.OWNER)
    named = {"organization": ids.public("org", organization.id)}
    for stop in (one for one in stops(app) if isinstance(one.right, Right)):
        with subtests.test(f"{role}: {stop}"):
            put_back(user, role)
            client = client_for(user)
            client.post("/app/switch-organization", data={"organization": other_organization.slug})
            answer = things.ask(client, stop, query_string=named)
            assert answer.status_code in (DONE if allows(role, stop.right) else {403})


def test_naming_an_organization_of_others_opens_nothing(
    app: Flask,
    organization: Organization,
    charlie: User,
    client_for: Callable[[User], Client],
    things: Things,
    subtests: pytest.Subtests,
) -> None:
    client, theirs = client_for(charlie), things()
    for stop in (one for one in stops(app) if isinstance(one.right, Right)):
        with subtests.test(str(stop)):
            for named in (ids.public("org", organization.id), f"org_{NOBODYS[:22]}0000", "org_", "1", ""):
                answer = client.open(stop.address(theirs), method=stop.method, query_string={"organization": named})
                assert answer.status_code == 404


def test_what_can_not_be_undone_asks_again_who_one_is(app: Flask) -> None:
    asks = {one.rule for one in stops(app) if one.proved}
    assert {f"/app/settings/organization/{what}" for what in ("hand-over", "delete")} <= asks
    ways_to_more = {"invitations", "team/<member_id>/role", "team/<member_id>/remove", "api-keys/new"}
    assert {f"/app/settings/{what}" for what in ways_to_more} <= asks, "else an owner's open screen makes an owner"


def test_for_an_outsider_nothing_exists(
    app: Flask,
    charlie: User,
    client_for: Callable[[User], Client],
    things: Things,
    subtests: pytest.Subtests,
) -> None:
    client, theirs = client_for(charlie), things()
    nobodys = {name: public[:4] + NOBODYS[:26] for name, public in theirs.items()}
    for stop in (one for one in stops(app) if isinstance(one.right, Right)):
        with subtests.test(str(stop)):
            answer = client.open(stop.address(theirs), method=stop.method)
            if not stop.about_a_thing:
                assert answer.status_code in DONE, "in his own organization Charlie is the owner"
                if stop.method != "GET":
                    client.get("/app")  # which shows what it said: the next page has nothing left to say
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
    things: Things,
    subtests: pytest.Subtests,
) -> None:
    client, theirs = client_for(charlie), things()
    for stop in (one for one in stops(app) if len(one.names & THINGS) > 1):
        with subtests.test(str(stop)):
            own = make_things(other_organization, NOW)
            first = next(name for name in stop.rule.replace("<", ">").split(">") if name in THINGS)
            assert client.open(stop.address({**theirs, first: own[first]}), method=stop.method).status_code == 404
            assert client.open(stop.address({**own, first: theirs[first]}), method=stop.method).status_code == 404


def test_nobody_is_sent_to_sign_in(app: Flask, client: Client, things: Things, subtests: pytest.Subtests) -> None:
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


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_nobody_comes_into_the_api_with_a_session(
    app: Flask,
    role: Role,
    request: pytest.FixtureRequest,
    client_for: Callable[[User], Client],
    things: Things,
    subtests: pytest.Subtests,
) -> None:
    client, there = client_for(request.getfixturevalue(NAMES[role])), things()
    for stop in (one for one in stops(app, api=True) if one.right != "public"):
        with subtests.test(str(stop)):
            assert client.open(stop.address(there), method=stop.method).status_code == 401


def sent_by_machines(stop: Stop) -> bool:
    return stop.rule.startswith(SIGNED[0]) or stop.rule in SIGNED


def test_a_form_that_another_site_sends_is_refused(
    app: Flask,
    alice: User,
    client_for: Callable[[User], Client],
    things: Things,
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
    things: Things,
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
    """Whoever was removed from their last organization keeps an account, and may make an organization of their own."""
    client = client_for(make_user("Dora"))
    for stop in (one for one in stops(app) if isinstance(one.right, Right) and not one.names):
        with subtests.test(str(stop)):
            answer = client.open(stop.address({}), method=stop.method)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/app/organizations/new")
    assert client.get("/app/organizations/new").status_code == 200
    assert client.get("/app/settings/profile").status_code == 200


def test_what_strangers_wrote_never_runs(
    organization: Organization, alice: User, client_for: Callable[[User], Client]
) -> None:
    evil = "<script>alert(1)</script>"
    make_monitor(organization, evil, tags=["<i>tag"], description=evil)
    for page in ("/app", "/app/monitors"):
        assert evil not in client_for(alice).get(page).text
