"""The whole product on one machine holds less than 250 MB, and no more after a day than after an hour."""

from __future__ import annotations

import http.client
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from bench import kernel
from tests.flows.conftest import House

MOST_MB = 250.0
MOST_GROWTH_MB = 8.0
"""Between one round of use and the next: a kilobyte that each of 5,000 pings left behind would be 5 MB."""

PINGS = 5_000
SENDERS = 4
MOST_PAGES = 200
OUTPUT = b"dumping orders\n" * 60

_LINK = re.compile(r'(?:href|hx-get|src)="(/[^"#]*)')

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")


def test_it_stays_small_whatever_it_is_used_for(house: House) -> None:
    house.make_channels()
    monitors = [house.make_monitor(f"job {number}") for number in range(SENDERS)]
    use(house, monitors, failing=monitors[0])
    once = held(house)
    use(house, monitors, failing=monitors[1])
    twice = held(house)
    assert sum(twice.values()) < MOST_MB, twice
    assert sum(twice.values()) - sum(once.values()) < MOST_GROWTH_MB, (once, twice)


def held(house: House) -> dict[str, float]:
    """Megabytes by process, each with all below it. The databases are not among them."""
    pids = house.instance.pids()
    return {name: kernel.memory_mb(pids[name]) for name in pids if name not in ("postgres", "valkey")}


def use(house: House, monitors: list[dict[str, Any]], failing: dict[str, Any]) -> None:
    """Fail once and recover, told by mail, webhook and Slack; ping; look at every page."""
    for word, kind in (("/fail", "opened"), ("", "resolved")):
        assert httpx.post(failing["ping_url"] + word, content=OUTPUT, trust_env=False).status_code == 200
        house.wait_told(failing["name"], kind, 30)
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(ping, [monitor["ping_url"] for monitor in monitors]))
    assert look_around(house) > 20


def ping(url: str) -> None:
    """Its share of PINGS, over one connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    for _ in range(PINGS // SENDERS):
        connection.request("POST", parts.path, body=OUTPUT)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def look_around(house: House) -> int:
    """Follow the links of every page, from the first one on, as whoever sits at this machine; how many there were."""
    seen, ahead = set[str](), ["/"]
    with httpx.Client(base_url=house.instance.url, trust_env=False, follow_redirects=True, timeout=30) as browser:
        while ahead and len(seen) < MOST_PAGES:
            seen.add(path := ahead.pop(0))
            answer = browser.get(path)
            assert answer.status_code < 500, path
            found = (unescape(link) for link in _LINK.findall(answer.text))
            ahead += [link for link in dict.fromkeys(found) if link not in seen and link not in ahead]
    return len(seen)
