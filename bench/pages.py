"""How long people wait for a page: when nothing else happens, and while pings pour in."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench import load, table
from bench import town as towns
from bench.doors import Street
from bench.load import Load
from bench.town import Connection, Running, Town
from tokiflow import settings
from tokiflow.app import create_app
from tokiflow.core import ids
from tokiflow.services import sessions

LOOKS = 25
LOAD = Load(32)
LONGEST_SECONDS = 600
SETTLING_SECONDS = 0.5
"""Until all connections of the load are made."""


@dataclass(frozen=True)
class Page:
    """An address, and the headers that show who asks."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def seconds(self, port: int) -> float:
        """How long one visit over a new connection takes. Raises RuntimeError for anything but 200."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", self.path, headers=dict(self.headers))
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{self.path} answered {answer.status}")
        return time.perf_counter() - began


NAMES = ["GET /api/health", "GET /api/v1/monitors", "overview", "wall", "list of monitors", "page of a monitor"]


def quiet(town: Town, street: Street) -> list[list[float]]:
    """Milliseconds of each visit, for the pages in the order of `NAMES`, while nothing else happens."""
    return _waits(_pages(town, street.connection), _web(street))


def beside_load(town: Town, street: Street) -> str:
    """A table: each page when all is quiet, and while each door takes pings over 32 connections."""
    pages, web = _pages(town, street.connection), _web(street)
    found = {"quiet": _waits(pages, web)}
    for door in street.doors:
        with load.running(LOAD, door.url, street.pings, LONGEST_SECONDS):
            time.sleep(SETTLING_SECONDS)
            found[f"pings to {door.name}"] = _waits(pages, web)
    rows = [[name, *(_told(times[n]) for times in found.values())] for n, name in enumerate(NAMES)]
    return table.markdown([f"page: median / slowest of {LOOKS}", *found], rows)


def _told(times: Sequence[float]) -> str:
    return f"{statistics.median(times):,.0f} / {max(times):,.0f} ms"


def _web(street: Street) -> Running:
    return next(door for door in street.doors if door.name == "web")


def _waits(pages: Sequence[Page], web: Running) -> list[list[float]]:
    """Milliseconds of each visit, page by page; the pages take turns. The first visits, which find nothing prepared,
    don't count."""
    rounds = [[1000 * page.seconds(web.port) for page in pages] for _ in range(1 + LOOKS)]
    return [list(times) for times in zip(*rounds[1:], strict=True)]


def _pages(town: Town, connection: Connection) -> list[Page]:
    """The pages as Alice, an owner, and a program of hers see them; the monitor is the one with the most pings."""
    cookie = {"Cookie": f"tokiflow={_sign_in(town, connection)}"}
    key = town.tokiflow("api-key", "create", "--name", "bench", "--scopes", "read", "--org", towns.SLUG)
    most = "select id from monitors where organization_id = (select id from organizations where slug = %s)"
    row = connection.execute(f"{most} order by ping_count desc limit 1", [towns.SLUG]).fetchone()
    assert row is not None
    return [
        Page("/api/health"),
        Page("/api/v1/monitors", {"Authorization": f"Bearer {key}"}),
        Page("/app", cookie),
        Page("/app/wall", cookie),
        Page("/app/monitors", cookie),
        Page(f"/app/monitors/{ids.public('mon', row[0])}", cookie),
    ]


def _sign_in(town: Town, connection: Connection) -> str:
    """The cookie of a browser in which Alice, an owner, is signed in."""
    connection.execute(
        """
        with alice as (insert into users (id, email, name, timezone)
            values (gen_random_uuid(), 'alice@harbour.example', 'Alice', 'UTC')
            on conflict do nothing returning id)
        insert into memberships (organization_id, user_id, role)
        select organizations.id, alice.id, 'owner' from organizations, alice where slug = %s
        """,
        [towns.SLUG],
    )
    row = connection.execute("select id from users where email = 'alice@harbour.example'").fetchone()
    assert row is not None
    app = create_app(settings.load(town.environment))
    with app.app_context():
        token = sessions.begin(row[0], "passkey", "Firefox on Linux", "127.0.0.1", datetime.now(UTC))
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = token
        session["_fresh"] = True
    cookie = client.get_cookie("tokiflow")
    assert cookie is not None
    return cookie.value
