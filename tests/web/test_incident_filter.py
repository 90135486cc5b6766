"""What an address asks for: understood or said, and the same again when it is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokiflow.core import ids
from tokiflow.queries.incidents import MOST_WORDS, Filter
from tokiflow.web import incident_filter
from tokiflow.web.incident_filter import KINDS, SEVERITIES, STATUSES, WITHIN, Choice

NAMES = ("status", "kind", "severity", "monitor", "tag", "assigned", "person", "within", "from", "to", "q")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ME = UUID(int=7)

people = st.one_of(st.sampled_from(["", "me"]), st.uuids().map(lambda one: ids.public("usr", one)))
days = st.one_of(st.just(""), st.dates(date(1970, 1, 1), date(2999, 12, 31)).map(str))
understood = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["", *STATUSES]),
        "kind": st.sampled_from(["", *KINDS]),
        "severity": st.sampled_from(["", *SEVERITIES]),
        "within": st.sampled_from(["", *WITHIN]),
        "assigned": st.one_of(people, st.just("nobody")),
        "person": people,
        "from": days,
        "to": days,
        "tag": st.text(max_size=60),
        "q": st.text(max_size=60),
        "monitor": st.text(max_size=60),
    }
)


# Dates and ids are drawn slowly on a busy machine.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(understood)
def test_what_is_understood_is_told_again_as_it_was(asked: dict[str, str]) -> None:
    choice, mistakes = incident_filter.read(asked)
    backwards = bool(asked["from"] and asked["to"] and asked["from"] > asked["to"])
    assert bool(mistakes) is (backwards or len(choice.q.split()) > MOST_WORDS)
    again = incident_filter.read(dict(parse_qsl(choice.query)))
    assert again == (choice, mistakes)
    assert incident_filter.read(dict(parse_qsl(urlencode(choice.said)))) == again


@patient
@given(understood)
def test_a_filter_survives_being_written_down(asked: dict[str, str]) -> None:
    choice, _ = incident_filter.read(asked)
    wanted = incident_filter.wish(choice, UUID(int=3) if choice.monitor else None, ME, NOW, BERLIN)
    assert Filter.from_json(wanted.to_json()) == wanted


@patient
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=300)))
def test_whatever_stands_there_is_understood_or_said(asked: dict[str, str]) -> None:
    choice, mistakes = incident_filter.read(asked)
    told = choice.said
    for name in ("kind", "severity", "within", "assigned", "person", "from", "to"):
        word = " ".join(asked.get(name, "").split())
        if word.isprintable() and word and name not in told:
            assert mistakes, "never silently everything"
    incident_filter.wish(choice, None, ME, NOW, BERLIN)


def test_days_are_the_readers_and_the_last_one_counts() -> None:
    choice, _ = incident_filter.read({"from": "2026-10-24", "to": "2026-10-25"})
    wanted = incident_filter.wish(choice, None, ME, NOW, BERLIN)
    assert wanted.since == datetime(2026, 10, 23, 22, tzinfo=UTC)
    assert wanted.until == datetime(2026, 10, 25, 23, tzinfo=UTC), "that day has 25 hours"


def test_a_stretch_and_a_day_hold_both() -> None:
    choice, _ = incident_filter.read({"within": "7d", "from": "2026-11-28"})
    assert incident_filter.wish(choice, None, ME, NOW, BERLIN).since == datetime(2026, 11, 27, 23, tzinfo=UTC)
    choice, _ = incident_filter.read({"within": "24h", "from": "2026-01-01"})
    assert incident_filter.wish(choice, None, ME, NOW, BERLIN).since == NOW - timedelta(days=1)


def test_me_is_whoever_reads() -> None:
    choice, _ = incident_filter.read({"assigned": "me", "person": "me"})
    wanted = incident_filter.wish(choice, None, ME, NOW, BERLIN)
    assert (wanted.assigned_to, wanted.hand) == (ME, ME)
    nobody = incident_filter.wish(Choice(assigned="nobody"), None, ME, NOW, BERLIN)
    assert (nobody.assigned_to, nobody.unassigned) == (None, True)
