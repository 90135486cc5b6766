"""Lists page by page: nothing twice, nothing left out, whatever comes in between."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.api.conftest import NOW, make_trouble, problem
from tests.factories import make_channel, make_monitor


def walk(program, path: str) -> list[list[dict]]:
    """All pages from `path` on."""
    pages: list[list[dict]] = []
    following: str | None = path
    while following:
        response = program.get(following)
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.json.keys() == {"items", "next"}
        pages.append(response.json["items"])
        following = response.json["next"]
        assert following is None or following.startswith("http://localhost/api/v1/")
    return pages


def test_each_list_comes_in_pages_of_the_size_asked_for(program, organization):
    for number in range(5):
        trouble = make_trouble(organization, NOW - timedelta(hours=number))
    monitor = f"/monitors/{trouble.ids['monitor_id']}"
    for path in ("/monitors", "/incidents", "/alerts", "/channels"):
        pages = walk(program, f"{path}?limit=2")
        found = [one["id"] for page in pages for one in page]
        whole = [one["id"] for one in program.get(path).json["items"]]
        assert found == whole, path
        assert len(set(found)) == len(found)
        assert {len(page) for page in pages[:-1]} <= {2}
    assert [len(page) for page in walk(program, f"{monitor}/pings?limit=1")] == [1, 1]
    assert [len(page) for page in walk(program, f"{monitor}/runs?limit=1")] == [1]


def test_the_next_page_keeps_filters_and_limit(program, organization):
    for name in ("a ü&", "b ü&", "c"):
        make_monitor(organization, name, tags=["x y"])
    first = program.get("/monitors?q=ü%26&tag=x+y&status=new&limit=1").json
    query = parse_qs(urlsplit(first["next"]).query)
    assert (query["q"], query["tag"], query["status"], query["limit"]) == (["ü&"], ["x y"], ["new"], ["1"])
    assert [one["name"] for one in program.get(first["next"]).json["items"]] == ["b ü&"]


def test_a_page_stays_in_place_while_rows_come_and_go(program, organization):
    for name in "bdf":
        make_monitor(organization, name)
    first = program.get("/monitors?limit=2").json
    make_monitor(organization, "a")
    assert [one["name"] for one in program.get(first["next"]).json["items"]] == ["f"]


def test_names_alike_are_told_apart(program, organization):
    for _ in range(5):
        make_channel(organization, name="Ops")
    assert len({one["id"] for page in walk(program, "/channels?limit=2") for one in page}) == 5


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


AN_ID = "01890000-0000-7000-8000-000000000000"
BAD = [
    "x", "%00", "ü", "====", "A" * 1999, cursor(), cursor(1, 2), cursor("\ud800", "x"), cursor("\x00", "x"),
    cursor("name", "no-uuid"), cursor("2024-13-01", "x"), cursor("[" * 50), cursor("99999999999999"), cursor("-1"),
    base64.urlsafe_b64encode(b"[" * 1000).decode(),
]  # fmt: skip
BAD_TIMES = [
    cursor(time, AN_ID)
    for time in ("name", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2024-01-01T00:00:00")
]


def test_a_cursor_of_ones_own_making_is_refused(program, trouble):
    monitor = f"/monitors/{trouble.ids['monitor_id']}"
    by_time = ("/incidents", f"{monitor}/runs")
    for path in ("/monitors", "/alerts", "/channels", f"{monitor}/pings", *by_time):
        for bad in BAD + (BAD_TIMES if path in by_time else []):
            response = program.get(f"{path}?cursor={bad}")
            assert response.status_code in (400, 422), (path, bad, response.get_data(as_text=True))


@pytest.mark.parametrize("limit", [1, 500])
def test_the_ends_of_the_range_are_taken(program, limit):
    assert program.get(f"/monitors?limit={limit}").status_code == 200


def test_a_cursor_that_is_far_too_long_is_refused(program):
    problem(program.get("/monitors?cursor=" + "A" * 5000), 422)
