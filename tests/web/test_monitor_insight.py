"""How a monitor's job does, as its pages tell it: the trend, what was unlike the usual, the page of insight."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories import make_monitor, save
from tests.fixtures.app import Client
from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.models import Band, Incident, Monitor, Organization, Run, User

ClientFor = Callable[[User], Client]
FINDING = {
    "measure": "run_time", "kind": "anomaly", "direction": "high", "value": 318, "usual": 204, "spread": 13, "z": 8.8,
    "low": 160, "high": 250, "words": "took 5 m 18 s; usually 3 m 24 s ± 13 s",
}  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def alices(client_for: ClientFor, alice: User) -> Client:
    return client_for(alice)


def url(monitor: Monitor, *rest: str) -> str:
    return "/".join(["/app/monitors", ids.public("mon", monitor.id), *rest])


def a_job(organization: Organization, name: str = "Nightly backup", **values: Any) -> Monitor:
    usual = {"status": "up", "last_ping_at": now(), "created_at": now() - timedelta(days=400)}
    return make_monitor(organization, name, **{**usual, **values})


def runs_of(
    monitor: Monitor,
    outcomes: Sequence[str],
    every: timedelta = timedelta(days=1),
    seconds: float | None = 200,
    **values: Any,
) -> list[Run]:
    """The newest of them an hour ago."""
    first = now() - timedelta(hours=1) - every * (len(outcomes) - 1)
    rows = []
    for n, outcome in enumerate(outcomes):
        at = first + every * n
        missed = outcome == "missed"
        took = None if missed or seconds is None else int(seconds * 1000)
        known = {"due_at": at - timedelta(minutes=5)} if missed else {"finished_at": at}
        rows.append(
            Run(monitor_id=monitor.id, at=at, outcome=outcome, duration_ms=took, **{"metrics": {}, **known, **values})
        )
    with transaction():
        db.session.add_all(rows)
    return rows


def bands_of(monitor: Monitor, days: int, measure: str = "run_time", low: float = 160, high: float = 250) -> None:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    with transaction():
        db.session.add_all(
            Band(monitor_id=monitor.id, measure=measure, day=today - timedelta(days=n), low=low, usual=204, high=high)
            for n in range(1, days + 1)
        )


# the trend


def test_the_chart_has_its_band_and_words_on_what_was_odd(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    *_, odd = runs_of(monitor, ["success", "failed", "success", "missed", "success"])
    with transaction():
        db.session.get_one(Run, odd.id).findings = [FINDING]
    bands_of(monitor, 20)
    page = alices.get(url(monitor)).text
    assert 'class="band"' in page
    assert ">5 m 18 s; usually 3 m 24 s ± 13 s</text>" in page
    assert "took 5 m 18 s; usually 3 m 24 s ± 13 s" in page, "in full where there is room"
    assert "failed after 3 m 20 s" in page
    assert re.search(r'class="dot missed"', page)
    assert "band: what is normal for this job" in page


def test_before_anything_is_known_there_is_no_band(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 9)
    page = alices.get(url(monitor)).text
    assert 'class="band"' not in page
    assert "what is normal is known after ten good runs" in page


def test_the_period_lives_in_the_address_and_in_what_the_page_asks_for_again(
    alices: Client, organization: Organization
) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 60)
    page = alices.get(url(monitor) + "?period=7d").text
    assert "of the last 7 days" in page
    assert re.search(r'title="7 days" aria-current="true">7 d', page)
    assert 'hx-get="' + url(monitor) + '?period=7d"' in page
    assert "trend.json?period=7d" in page
    assert "of the last 30 days" in alices.get(url(monitor) + "?period=nonsense").text
    assert "of the last year" in alices.get(url(monitor) + "?period=1y").text


def test_a_job_that_seldom_runs_shows_a_year(alices: Client, organization: Organization) -> None:
    weekly = a_job(organization, schedule_kind="cron", schedule_expression="0 2 * * 1", schedule_timezone="UTC")
    runs_of(weekly, ["success"] * 5, timedelta(days=7))
    assert "of the last year" in alices.get(url(weekly)).text


def test_the_same_as_a_table_for_whoever_asks(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success", "failed", "missed"])
    assert "Show as a table" in alices.get(url(monitor)).text
    table = alices.get(url(monitor) + "?table=yes").text.partition('id="trend-table"')[2]
    assert table.count("<tr>") == 4
    assert "failed after 3 m 20 s" in table
    assert "Hide the table" in table


@pytest.mark.parametrize(
    ("outcomes", "seconds", "said"),
    [
        (["success"], 3, "The chart begins with the second"),
        (["success"] * 9, None, "No run told how long it took"),
        ([], 3, "Waiting for the first ping"),
    ],
    ids=["one run", "no times", "new"],
)
def test_without_a_chart_the_page_says_why(
    alices: Client, organization: Organization, outcomes: list[str], seconds: float | None, said: str
) -> None:
    monitor = a_job(organization)
    runs_of(monitor, outcomes, seconds=seconds)
    assert said in alices.get(url(monitor)).text


def test_after_months_of_rest_a_longer_period_is_offered(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization, status="paused", paused_at=now() - timedelta(days=90), paused_by="Bob")
    runs_of(monitor, ["success"] * 5, every=timedelta(days=1))
    with transaction():
        for run in db.session.query(Run):
            run.at -= timedelta(days=90)
    assert "A longer period may have some" in alices.get(url(monitor)).text
    assert 'class="line"' in alices.get(url(monitor) + "?period=1y").text


def test_a_program_gets_the_points_with_what_was_odd(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success", "missed", "success"], findings=[FINDING])
    bands_of(monitor, 10)
    answer = alices.get(url(monitor, "trend.json") + "?period=7d")
    assert answer.mimetype == "application/json"
    data = answer.get_json()
    assert (data["monitor"], data["period"], data["step"]) == (ids.public("mon", monitor.id), "7d", None)
    assert [point["outcome"] for point in data["points"]] == ["success", "missed", "success"]
    assert [point["seconds"] for point in data["points"]] == [200, None, 200]
    assert data["points"][0]["said"] == FINDING["words"]
    assert data["points"][0]["findings"] == [FINDING]
    assert {(edge["low"], edge["high"]) for edge in data["band"]} == {(160, 250)}
    assert alices.get(data["points"][0]["url"]).status_code == 200


def test_many_runs_become_points_of_several(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 699 + ["failed"], every=timedelta(hours=1))
    data = alices.get(url(monitor, "trend.json") + "?period=30d").get_json()
    assert data["step"] == 6 * 3600
    assert len(data["points"]) <= 130
    assert sum(point["runs"]["succeeded"] for point in data["points"]) == 699
    assert data["points"][-1]["said"].startswith("1 failed of ")
    assert 'class="dot failed"' in alices.get(url(monitor)).text
    day = alices.get(data["points"][-1]["url"])
    assert "the day is that of UTC" in day.text


def test_a_stranger_finds_neither_page_nor_data(
    client_for: ClientFor, charlie: User, organization: Organization
) -> None:
    monitor = a_job(organization)
    stranger = client_for(charlie)
    assert [stranger.get(url(monitor, *part)).status_code for part in ((), ("insight",), ("trend.json",))] == [404] * 3


# what was unlike the usual


def test_runs_say_what_was_unlike_the_usual(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    (run,) = runs_of(monitor, ["success"], seconds=318, findings=[FINDING])
    assert "Unlike the usual: <span" in alices.get(url(monitor)).text
    page = alices.get(url(monitor, "runs", ids.public("run", run.id))).text
    for words in ("Unlike the usual", "took 5 m 18 s; usually 3 m 24 s ± 13 s", "2 m 40 s to 4 m 10 s", "z = 8.8"):
        assert words in page


def test_the_words_of_a_finding_are_no_markup(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    finding = {"measure": "metric:<b>", "kind": "anomaly", "words": "<script>alert(1)</script>"}
    (run,) = runs_of(monitor, ["success"], findings=[finding], metrics={"<b>": 3})
    for page in (url(monitor), url(monitor, "runs", ids.public("run", run.id)), url(monitor) + "?table=yes"):
        assert "<script>alert" not in alices.get(page).text


def test_numbers_of_its_own_have_a_band_and_say_what_was_odd(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    finding = {"measure": "metric:rows", "kind": "anomaly", "value": 100, "usual": 8000, "words": "100; usually 8,000"}
    runs_of(monitor, ["success"] * 4, metrics={"rows": 8000})
    save(
        Run(
            monitor_id=monitor.id, at=now(), finished_at=now(), outcome="success", duration_ms=1,
            metrics={"rows": 100}, findings=[finding],
        )
    )  # fmt: skip
    bands_of(monitor, 10, "metric:rows", 7000, 9000)
    page = alices.get(url(monitor)).text
    multiples = page.partition('class="multiples"')[2].partition("</section>")[0]
    assert 'class="band"' in multiples
    assert 'class="odd"' in multiples
    assert "100; usually 8,000" in multiples


def test_the_figures_of_the_page_are_those_of_insight(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 17 + ["failed", "missed", "success"])
    assert "18 of 20 runs" in alices.get(url(monitor)).text
    part = alices.get(url(monitor, "insight"), headers={"HX-Request": "true"}).text
    insight = alices.get(url(monitor, "insight")).text
    assert "<html" not in part
    score = re.search(r"<dt>Health</dt><dd>(\d+) <small>of 100", part)
    assert score
    assert f'class="score"><strong>{score[1]}</strong>' in insight
    assert "<dt>Uptime</dt><dd>100 % <small>never down" in part
    assert "18 of 20 runs" in part


def test_every_page_of_a_monitor_says_how_it_stands(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization, status="down")
    runs_of(monitor, ["success", "failed"])
    for part in ((), ("insight",), ("runs",)):
        page = alices.get(url(monitor, *part)).text
        assert f'<h1 id="page-title" class="break" dir="auto">{monitor.name}</h1>' in page
        assert "Failed " in page.partition('class="lede"')[2].partition("</p>")[0]


# the page of insight


def test_health_is_explained_in_three_sentences(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 17 + ["failed", "missed", "success"])
    page = alices.get(url(monitor, "insight")).text
    assert "It was never down." in page
    assert "18 of 20 runs ended well, 1 failed, 1 never came." in page
    assert "18 runs told how long they took, none was unlike the usual." in page
    assert page.count("How this is reckoned") == 4


@pytest.mark.parametrize("period", ["24h", "7d", "30d"])
def test_both_pages_and_the_data_count_the_same(alices: Client, organization: Organization, period: str) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success", "failed"] * 20, every=timedelta(days=1) - timedelta(seconds=7))
    data = alices.get(f"{url(monitor, 'trend.json')}?period={period}").get_json()
    counted = f"{sum(point['outcome'] == 'success' for point in data['points'])} of {len(data['points'])} run"
    assert counted in alices.get(f"{url(monitor)}?period={period}").text
    assert counted in alices.get(f"{url(monitor, 'insight')}?period={period}").text


def test_run_times_have_their_percentiles_and_a_histogram(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 20)
    page = alices.get(url(monitor, "insight")).text
    assert "How run times are distributed. 20 runs" in page
    for word in ("Shortest", "p50", "p95", "p99", "Longest", "Mean", "Latest"):
        assert f"<dt>{word}</dt>" in page
    assert "<dd>3 m 20 s" in page


def test_up_time_is_told_by_the_day_the_week_and_the_month(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 10)
    down = now() - timedelta(days=3)
    save(
        Incident(
            organization_id=organization.id, monitor_id=monitor.id, class_="outage", kind="missed", status="resolved",
            opened_at=down, last_opened_at=down, resolved_at=down + timedelta(hours=2), summary="was silent",
        )
    )  # fmt: skip
    page = alices.get(url(monitor, "insight")).text
    assert "Down on" in page
    assert "Longest down" in page
    assert "It was down once, for 2 h in all." in page
    assert re.search(r"<dt>To recovery</dt><dd>2 h", page)


def test_the_year_is_one_table_with_one_tab_stop_and_its_cells_lead_to_runs(
    alices: Client, organization: Organization
) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 30 + ["failed"])
    page = alices.get(url(monitor, "insight")).text
    table = page.partition('class="year"')[2].partition("</table>")[0]
    assert table.count('tabindex="0"') == 1
    assert table.count('tabindex="-1"') == 30
    (day,) = re.findall(r'<a class="all" href="([^"]+)"', table)
    assert "Runs of" in alices.get(day).text
    assert "0 of 1 run succeeded, 1 failed" in table


def test_what_never_came_is_listed_with_its_incident(alices: Client, organization: Organization) -> None:
    monitor = a_job(organization, schedule_seconds=86_400)
    missed = next(run for run in runs_of(monitor, ["success"] * 5 + ["missed", "success"]) if run.outcome == "missed")
    incident = save(
        Incident(
            organization_id=organization.id, monitor_id=monitor.id, class_="outage", kind="missed", status="resolved",
            opened_at=missed.at, last_opened_at=missed.at, resolved_at=missed.at + timedelta(hours=3), summary="silent",
        )
    )  # fmt: skip
    page = alices.get(url(monitor, "insight")).text
    assert "did not come" in page
    assert f'href="/app/incidents/{ids.public("inc", incident.id)}"' in page.partition('class="rows-list ledger"')[2]
    assert re.search(r"<dt>Missed</dt><dd>[1-9]", page)


def test_a_new_monitor_is_taught_what_will_be_here(alices: Client, organization: Organization) -> None:
    assert "Nothing to tell yet" in alices.get(url(make_monitor(organization), "insight")).text


@pytest.mark.parametrize(
    ("outcomes", "seconds"),
    [(["success"], 3), (["success"] * 5, None), (["failed"] * 12, 3), (["success"] * 3, 0.003), (["success"], 3e5)],
    ids=["one", "no times", "only failures", "milliseconds", "days"],
)
@pytest.mark.parametrize("period", ["24h", "7d", "30d", "90d", "1y"])
def test_every_state_has_its_page(
    alices: Client, organization: Organization, outcomes: list[str], seconds: float | None, period: str
) -> None:
    monitor = a_job(organization)
    runs_of(monitor, outcomes, timedelta(hours=1), seconds)
    for address in (url(monitor), url(monitor, "insight")):
        assert alices.get(f"{address}?period={period}").status_code == 200


def test_days_are_those_of_utc_for_a_viewer_of_a_half_hour_zone(
    client_for: ClientFor, alice: User, organization: Organization
) -> None:
    with transaction():
        db.session.get_one(User, alice.id).timezone = "Asia/Kathmandu"
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 5)
    page = client_for(alice).get(url(monitor, "insight")).text
    assert "each cell a day, by UTC" in page
    assert 'data-zone="Asia/Kathmandu"' in client_for(alice).get(url(monitor)).text


# the runs of a day


def test_the_runs_of_a_day_are_those_of_utc_and_lead_to_their_neighbours(
    alices: Client, organization: Organization
) -> None:
    monitor = a_job(organization)
    *_, newest = runs_of(monitor, ["success"] * 3)
    page = alices.get(f"{url(monitor, 'runs')}?day={newest.at:%Y-%m-%d}").text
    assert page.count("data-item") == 1
    assert f"day={newest.at - timedelta(days=1):%Y-%m-%d}" in page
    assert "No runs on this day" in alices.get(f"{url(monitor, 'runs')}?day=2001-01-01").text


@pytest.mark.parametrize("day", ["", "nonsense", "2026-13-40", "0001-01-01", "9999-12-31", "2026-11-20T00:00"])
def test_a_day_that_there_is_not_is_as_if_none_were_asked_for(
    alices: Client, organization: Organization, day: str
) -> None:
    monitor = a_job(organization)
    runs_of(monitor, ["success"] * 3)
    assert alices.get(f"{url(monitor, 'runs')}?day={day}").text.count("data-item") == 3
