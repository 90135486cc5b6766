"""A believable message of every kind, and an outside that is a real local server."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest

from tokiflow.adapters.http import Client
from tokiflow.channels.message import Message
from tokiflow.channels.outside import Outside

OPENED = datetime(2026, 11, 21, 1, 5, tzinfo=UTC)
GOOD_RUNS = tuple(("success", 0.35 + 0.05 * (n * 7 % 6)) for n in range(23))

_MISSED = Message(
    kind="opened",
    dedup_key="dlv_01k9zq3v7wexample0000000001",
    thread_key="inc_01k9zq3v7wexample0000000001",
    organization="Harbour Freight",
    monitor_id="mon_01k9zq3v7wexample0000000001",
    monitor_name="Nightly database backup",
    monitor_url="https://tokiflow.example/app/monitors/mon_01k9zq3v7wexample0000000001",
    tags=("db", "prod"),
    incident_id="inc_01k9zq3v7wexample0000000001",
    incident_kind="missed",
    incident_url="https://tokiflow.example/app/incidents/inc_01k9zq3v7wexample0000000001",
    severity="critical",
    summary="Nightly database backup should have pinged by 02:05 and has been silent for 23 h 2 min",
    reason="No ping came since 20 Nov, 02:03. It was due at 02:00, and 5 min late is fine",
    advice="See whether the machine is up and cron is running there, then run the job by hand and watch its output.",
    opened_at=OPENED,
    sent_at=OPENED + timedelta(seconds=1),
    timezone="Europe/Berlin",
    schedule_words="Every day at 02:00 in Europe/Berlin",
    runs=(*GOOD_RUNS, ("missed", 0.0)),
)
_FAILED = replace(
    _MISSED,
    incident_kind="failed",
    summary="Nightly database backup failed with exit code 1 after 1 min 44 s",
    reason="The job itself reported exit code 1",
    advice="Read the last lines: the disk is named there. Free some space, then run the job again.",
    last_lines=(
        "2026-11-21 02:01:12 INFO  dumping orders (1,204,118 rows)",
        "2026-11-21 02:01:40 INFO  dumping shipments (88,310 rows)",
        "2026-11-21 02:01:44 ERROR could not write to /var/backups/harbour.dump: No space left on device",
        "pg_dump: error: query failed",
    ),
    exit_code=1,
    duration_seconds=104.2,
    environment="production",
    runs=(*GOOD_RUNS, ("failed", 0.2)),
)
_OVERRUN = replace(
    _MISSED,
    incident_kind="overrun",
    summary="Nightly database backup has been running for 30 min 1 s and may take 30 min at most",
    reason="It started at 02:00 and usually takes 3 min 12 s",
    advice="See what it is waiting for: a lock, a slow disk, a network share. If it hangs, stop it and start it again.",
    duration_seconds=1801,
    runs=(*GOOD_RUNS, ("overran", 1.0)),
)
TROUBLES = {"missed": _MISSED, "failed": _FAILED, "overrun": _OVERRUN}


def message(kind: str = "opened", trouble: str = "missed", **changes) -> Message:
    """A message of this kind about this trouble, one hour before or after nothing in particular."""
    found = replace(TROUBLES[trouble], kind=kind)
    if kind == "resolved":
        back = OPENED + timedelta(hours=9, minutes=12)
        found = replace(
            found,
            resolved_at=back,
            sent_at=back,
            summary="Nightly database backup succeeded at 11:17 after 9 h 12 min of trouble",
            advice="",
            runs=(*found.runs[1:], ("success", 0.5)),
        )
    if kind == "reopened":
        found = replace(found, summary=f"{found.summary}; it had recovered 4 min before")
    if kind == "flapping":
        found = replace(
            found,
            summary="Nightly database backup failed and recovered 6 times within 40 min",
            reason="Until it is quiet for 30 min, one message stands for all of them",
            advice="Something comes and goes: find what does, or ask for more than one bad run in a row.",
            runs=tuple(("failed", 0.3) if n % 3 else ("success", 0.5) for n in range(24)),
        )
    if kind == "test":
        found = replace(
            found,
            incident_id="",
            incident_url="https://tokiflow.example/app/channels",
            monitor_id="",
            monitor_url="https://tokiflow.example/app/monitors",
            monitor_name="",
            summary="This is a test: alerts of Harbour Freight arrive here",
            reason="Alice asked for it on the page of the channel",
            advice="",
            schedule_words="",
            tags=(),
            last_lines=(),
            runs=(),
            exit_code=None,
            duration_seconds=None,
            environment="",
        )
    return replace(found, **changes)


class KeptMail:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> str:
        self.mails.append(message)
        return "250 kept"


@pytest.fixture
def mailer():
    return KeptMail()


@pytest.fixture
def outside(mailer):
    """What a channel may touch, with receivers on this machine allowed."""
    client = Client((ip_network("127.0.0.0/8"), ip_network("::1/128")))
    yield Outside(client, mailer, "Tokiflow <alerts@tokiflow.example>", "https://tokiflow.example")
    client.close()


class Diverted:
    """An outbound client that takes what is meant for any service to a server here, and remembers whom it was for."""

    def __init__(self, client: Client, server: str) -> None:
        self.client, self.server = client, server
        self.urls: list[str] = []
        self.options: list[dict[str, object]] = []

    def send(self, method, url, **options):
        self.urls.append(url)
        self.options.append(options)
        parts = urlsplit(url)
        return self.client.send(method, f"{self.server}{parts.path}?{parts.query}", **options)


@pytest.fixture
def diverted(outside, httpserver):
    """`outside`, all of which is the server here."""
    return replace(outside, http=Diverted(outside.http, httpserver.url_for("")))


@pytest.fixture
def mute():
    """The address of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
