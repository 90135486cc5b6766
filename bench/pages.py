"""How long people wait for a page: when nothing else happens, and while pings pour in."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench import load, table
from bench.doors import Street
from bench.load import Load
from bench.town import Connection, Running, Town
from tokiflow import settings
from tokiflow.app import create_app
from tokiflow.core import ids

LOOKS = 25
LOAD = Load(32)
LONGEST_SECONDS = 600
SLUG = "harbour-freight"


@dataclass(frozen=True)
class Page:
    """An address, and the headers that show who asks."""

    name: str
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


def of(town: Town, connection: Connection) -> list[Page]:
    """The pages, as Alice sees them: the last one is that of a monitor with as many pings as any."""
    cookie = {"Cookie": f"tokiflow={_sign_in(town, connection)}"}
    key = town.tokiflow("api-key", "create", "--name", "bench", "--scopes", "read", "--org", SLUG)
    row = connection.execute("select id from monitors order by ping_count desc limit 1").fetchone()
    assert row is not None
    return [
        Page("GET /api/health", "/api/health"),
        Page("GET /api/v1/monitors, with a key", "/api/v1/monitors", {"Authorization": f"Bearer {key}"}),
        Page("list of monitors", "/app/monitors", cookie),
        Page("page of a monitor", f"/app/monitors/{ids.public('mon', row[0])}", cookie),
    ]


def _sign_in(town: Town, connection: Connection) -> str:
    """The cookie of a browser in which Alice, an owner, is signed in."""
    connection.execute(
        """
        with alice as (insert into users (id, email, name, timezone)
            values (gen_random_uuid(), 'alice@harbour.example', 'Alice', 'UTC') returning id)
        insert into memberships (organization_id, user_id, role)
        select organizations.id, alice.id, 'owner' from organizations, alice
        """
    )
    row = connection.execute("select id, session_epoch from users").fetchone()
    assert row is not None
    client = create_app(settings.load(town.environment)).test_client()
    with client.session_transaction() as session:
        session["_user_id"] = f"{row[0]}:{row[1]}"
        session["_fresh"] = True
    cookie = client.get_cookie("tokiflow")
    assert cookie is not None
    return cookie.value


def waits(pages: Sequence[Page], port: int) -> list[list[float]]:
    """Milliseconds of each visit, page by page; the pages take turns."""
    rounds = [[1000 * page.seconds(port) for page in pages] for _ in range(LOOKS)]
    return [list(times) for times in zip(*rounds, strict=True)]


def beside_load(town: Town, street: Street) -> str:
    """A table: each page when all is quiet, and while each door takes pings over 32 connections."""
    pages = of(town, street.connection)
    web = next(door for door in street.doors if door.name == "web")
    waits(pages, web.port)  # templates are compiled and connections made
    found = {"quiet": waits(pages, web.port)}
    for door in street.doors:
        found[f"pings to {door.name}"] = _under_load(pages, web, door, street)
    head = [f"page: median / slowest of {LOOKS}", *found]
    rows = [[page.name, *(_told(times[n]) for times in found.values())] for n, page in enumerate(pages)]
    return table.markdown(head, rows)


def _under_load(pages: Sequence[Page], web: Running, door: Running, street: Street) -> list[list[float]]:
    with load.running(LOAD, door.url, street.pings, LONGEST_SECONDS):
        time.sleep(0.5)  # until all its connections are made
        return waits(pages, web.port)


def _told(times: Sequence[float]) -> str:
    return f"{statistics.median(times):,.0f} / {max(times):,.0f} ms"
