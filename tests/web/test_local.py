"""Whoever sits at this machine comes in unasked, in development; nobody else, and never in production."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from tests.fixtures.app import Client
from tests.web.posting import post
from tokiflow import settings
from tokiflow.app import create_app
from tokiflow.db import db
from tokiflow.models import Organization, User

HERE = {"REMOTE_ADDR": "127.0.0.1"}
PROFILE = "/app/settings/profile"


def visitor_of(database, **variables: str) -> Client:
    local = {"TOKIFLOW_ENV": "development", "TOKIFLOW_LOCAL_SIGN_IN": "1", "PUBLIC_URL": "http://127.0.0.1:8000"}
    site = create_app(settings.load({**database.environment, **local, **variables}))
    site.test_client_class = Client
    made = site.test_client()
    assert isinstance(made, Client)
    return made


@pytest.fixture
def visitor(app, database):
    """A visitor of what `tokiflow up` runs."""
    # Names that the operator has allowed: still nobody comes in through them.
    made = visitor_of(database, TOKIFLOW_HOSTS="tokiflow.example evil.example 127.0.0.1.evil.example")
    yield made
    with made.application.app_context():
        db.engine.dispose()


def people() -> list[str]:
    return list(db.session.execute(select(User.email).order_by(User.id)).scalars())


def test_the_printed_address_leads_straight_to_work(visitor):
    front = visitor.get("/", environ_overrides=HERE)
    assert (front.status_code, front.headers["Location"]) == (303, "/auth/sign-in")
    inside = visitor.get("/auth/sign-in", environ_overrides=HERE)
    assert (inside.status_code, inside.headers["Location"]) == (303, "/app")
    assert "My organization" in visitor.get(PROFILE, environ_overrides=HERE).text
    visitor.delete_cookie("tokiflow")
    visitor.get("/auth/sign-in", environ_overrides=HERE)
    assert people() == ["you@localhost"]
    assert db.session.execute(select(func.count()).select_from(Organization)).scalar_one() == 1


def test_what_was_wanted_is_not_forgotten(visitor):
    answer = visitor.get("/auth/sign-in?next=/app/monitors%3Fstatus%3Ddown", environ_overrides=HERE)
    assert answer.headers["Location"] == "/app/monitors?status=down"


def test_after_signing_out_a_button_asks_first(visitor):
    visitor.get("/auth/sign-in", environ_overrides=HERE)
    post(visitor, "/auth/sign-out", page=PROFILE)
    page = visitor.get("/auth/sign-in", environ_overrides=HERE)
    assert page.status_code == 200
    assert "Continue on this machine" in page.text
    assert visitor.get("/", environ_overrides=HERE).status_code == 200
    assert post(visitor, "/auth/local", next="/app/incidents").headers["Location"] == "/app/incidents"


@pytest.mark.parametrize(
    "from_where",
    [
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": "10.0.0.1"},
        {"REMOTE_ADDR": ""},
        {"HTTP_HOST": "tokiflow.example"},
        {"HTTP_HOST": "evil.example:8000"},
        {"HTTP_HOST": "127.0.0.1.evil.example"},
        {"HTTP_X_FORWARDED_FOR": "203.0.113.7"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
    ],
)
def test_nobody_comes_in_unasked_from_elsewhere(visitor, from_where):
    environment = {**HERE, **from_where}
    page = visitor.get("/auth/sign-in", environ_overrides=environment)
    assert page.status_code == 200
    assert "Continue on this machine" not in page.text
    token = _token(page.text)
    assert visitor.post("/auth/local", data={"csrf_token": token}, environ_overrides=environment).status_code == 404
    assert visitor.get("/dev/outbox", environ_overrides=environment).status_code == 404
    assert people() == []


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_every_way_to_name_this_machine_will_do(visitor, address, host):
    answer = visitor.get("/auth/sign-in", environ_overrides={"REMOTE_ADDR": address, "HTTP_HOST": host})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "variables",
    [
        {"TOKIFLOW_ENV": "production", "TOKIFLOW_LOCAL_SIGN_IN": "0"},
        {"TOKIFLOW_LOCAL_SIGN_IN": "0"},
        {"PUBLIC_URL": "https://tokiflow.example"},
    ],
)
def test_elsewhere_than_in_local_development_the_way_does_not_exist(app, database, variables):
    visitor = visitor_of(database, **variables)
    page = visitor.get("/auth/sign-in", environ_overrides=HERE)
    assert page.status_code == 200
    token = _token(page.text)
    answer = visitor.post(
        "/auth/local",
        data={"csrf_token": token},
        headers={"Referer": "https://localhost/auth/sign-in"},
        environ_overrides={**HERE, "wsgi.url_scheme": "https"},
    )
    assert answer.status_code == 404
    assert people() == []
    with visitor.application.app_context():
        db.engine.dispose()


def test_production_refuses_to_start_with_it(database):
    wrong = {**database.environment, "TOKIFLOW_ENV": "production", "TOKIFLOW_LOCAL_SIGN_IN": "1"}
    with pytest.raises(settings.SettingsError, match="TOKIFLOW_LOCAL_SIGN_IN"):
        settings.load(wrong)


def _token(page: str) -> str:
    import re

    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return found[1]
