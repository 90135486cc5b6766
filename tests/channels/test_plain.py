"""Plain text: all of it where there is room, and where there is not, what is needed most."""

from __future__ import annotations

import pytest

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, summary
from tokiflow.channels import plain


def within(limit):
    return lambda written: len(written) <= limit


def always(written):
    return True


@pytest.mark.parametrize("trouble", TROUBLES)
def test_where_there_is_room_all_is_said_in_the_order_of_reading(trouble):
    told = message("opened", trouble)
    written = plain.body(told, always)
    said = [told.summary, told.reason, *told.last_lines, told.advice, "Since: Sat 21 Nov", told.schedule_words]
    places = [written.index(one) for one in said]
    assert places == sorted(places)


def test_the_oldest_lines_and_the_last_facts_give_way_first():
    told = message("opened", "failed")
    whole = plain.body(told, always)
    shorter = plain.body(told, within(len(whole) - 10))
    assert "Exit code: 1" in shorter
    assert "Tags" not in shorter
    shorter = plain.body(told, within(330))
    assert told.last_lines[-1] in shorter
    assert told.last_lines[0] not in shorter
    for needed in (told.summary, told.reason, told.advice):
        assert needed in shorter


def test_at_the_very_least_it_says_what_happened():
    assert plain.body(message(), within(40)) == "Nightly database backup should have pin…"
    assert plain.body(message(), within(0)) == ""


def test_who_is_told_again_reads_why_first():
    assert plain.body(message("reminder"), always).startswith("A reminder: it is not over.\n\nNightly")
    assert plain.body(message("escalated", step=2), always).startswith("Nobody has acknowledged it yet")


def test_a_summary_lists_as_many_as_fit():
    written = plain.body(summary(54), always)
    assert "▲ Backup 0 missed its 02:05 ping\n◔ Backup 1" in written
    assert "and 34 more" in written
    assert "and 51 more" in plain.body(summary(54), within(170))


@pytest.mark.parametrize("evil", HOSTILE)
@pytest.mark.parametrize("kind", ["opened", "summary"])
@pytest.mark.parametrize("limit", [0, 1, 100, 1_024])
def test_it_always_fits(evil, kind, limit):
    assert len(plain.body(hostile(evil, kind), within(limit))) <= limit
