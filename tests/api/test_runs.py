from __future__ import annotations

from datetime import timedelta

import pytest
from scipy import stats as scipy_stats
from sqlalchemy import update

from tests.api.conftest import NOW, make_trouble, problem
from tests.factories import make_monitor
from tokiflow.adapters import storage
from tokiflow.api import moments
from tokiflow.core import ids
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Ping as PingRow
from tokiflow.queries import analytics, ledgers
from tokiflow.services import judging, pings


def record(monitor, *sent: Ping) -> str:
    """Record pings; where the monitor is."""
    pings.record([pings.Incoming(monitor.token, ping) for ping in sent], NOW)
    return f"/monitors/{ids.public('mon', monitor.id)}"


def test_a_run_tells_when_how_long_and_how_it_ended(program, trouble):
    (run,) = program.get(f"/monitors/{trouble.ids['monitor_id']}/runs").json["items"]
    assert run["id"] == trouble.ids["run_id"]
    assert (run["outcome"], run["exit_code"], run["duration_seconds"]) == ("failed", 3, 60.0)
    assert run["rid"] is None
    assert run["output"] == {"bytes": 10, "truncated": False}
    assert run["metrics"] == {"rows": 8.0}
    assert program.get(f"/monitors/{trouble.ids['monitor_id']}/runs/{run['id']}").json == run


def test_a_run_tells_what_was_unlike_the_usual(program, organization):
    monitor = make_monitor(organization, sensitivity="high")
    path = record(
        monitor,
        *(Ping(Signal.SUCCESS, NOW - timedelta(hours=30 - n), duration_ms=720_000) for n in range(20)),
        Ping(Signal.SUCCESS, NOW - timedelta(minutes=5), duration_ms=3_000),
    )
    judging.judge([monitor.id], NOW)
    last, before = program.get(f"{path}/runs?limit=2").json["items"]
    (found,) = last["unusual"]
    assert (found["measure"], found["kind"], found["direction"]) == ("run_time", "anomaly", "low")
    assert (found["value"], found["usual"], found["z"]) == (3.0, 720.0, pytest.approx(-49.8, abs=0.1))
    assert found["words"] == "took 3 s; usually 12 m ± 14 s (z = −50)"
    assert (found["accepted_by"], before["unusual"]) == (None, [])
    trend = program.get(f"{path}/trend?period=7d").json
    assert (trend["step_seconds"], len(trend["points"])) == (None, 21)
    drawn = next(one for one in trend["points"] if one["run"] == last["id"])
    assert (drawn["seconds"], drawn["succeeded"], drawn["anomalies"], drawn["unusual"]) == (3.0, 1, 1, [found])
    assert trend["band"][-1]["low"] < trend["band"][-1]["usual"] == 720 < trend["band"][-1]["high"]


def test_output_is_the_bytes_as_they_came(program, organization):
    raw = b"\x00\xff<script>alert(1)</script>\r\n"
    trouble = make_trouble(organization, output=raw)
    response = program.get(f"/monitors/{trouble.ids['monitor_id']}/runs/{trouble.ids['run_id']}/output")
    assert response.data == raw
    assert response.content_type == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"].startswith("attachment;")


def test_what_was_left_out_is_said(program, organization):
    end = Ping(Signal.SUCCESS, NOW, body=b"headtail", body_size=1008, body_cut=4)
    path = record(make_monitor(organization), end)
    (run,) = program.get(f"{path}/runs").json["items"]
    assert run["output"] == {"bytes": 1008, "truncated": True}
    output = program.get(f"{path}/runs/{run['id']}/output").data
    assert output.startswith(b"head\n")
    assert b"1,000 bytes left out" in output
    assert output.endswith(b"tail")


def test_output_out_of_reach_is_to_be_asked_for_again(app, program, trouble):
    with transaction():
        db.session.execute(update(PingRow).where(PingRow.body.is_not(None)).values(body=None, body_key="output/a"))
    path = f"/monitors/{trouble.ids['monitor_id']}/runs/{trouble.ids['run_id']}/output"
    storage.use(app, None)
    response = program.get(path)
    problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    app.extensions.pop("tokiflow.storage")
    problem(program.get(path), 404)


def test_a_run_that_printed_nothing_has_no_output(program, organization):
    path = record(make_monitor(organization), Ping(Signal.SUCCESS, NOW))
    (run,) = program.get(f"{path}/runs").json["items"]
    assert run["output"] is None
    problem(program.get(f"{path}/runs/{run['id']}/output"), 404)


def test_what_was_not_to_be_kept_is_no_output(program, organization):
    end = Ping(Signal.SUCCESS, NOW, body=b"secret", body_size=6)
    path = record(make_monitor(organization, capture_output=False), end)
    (run,) = program.get(f"{path}/runs").json["items"]
    assert run["output"] is None
    assert program.get(f"{path}/pings").json["items"][0]["body_bytes"] == 6


def test_pings_come_newest_first(program, trouble):
    end, start = program.get(f"/monitors/{trouble.ids['monitor_id']}/pings").json["items"]
    assert (start["n"], start["signal"], start["source"], start["user_agent"]) == (1, "start", "203.0.113.7", "curl/8")
    assert (end["signal"], end["exit_code"], end["method"], end["body_bytes"]) == ("fail", 3, "POST", 10)
    assert start["run"] == end["run"] == trouble.ids["run_id"]


def test_stats_look_back_as_far_as_asked(program, organization):
    long_ago = NOW - timedelta(days=40)
    path = record(
        make_monitor(organization),
        Ping(Signal.SUCCESS, long_ago, duration_ms=9_000),
        Ping(Signal.SUCCESS, NOW - timedelta(hours=2), duration_ms=1_000),
        Ping(Signal.FAIL, NOW - timedelta(hours=1), duration_ms=3_000),
    )
    month = program.get(f"{path}/stats").json
    assert (month["finished"], month["succeeded"], month["success_rate"]) == (2, 1, 0.5)
    assert (month["failed"], month["overran"], month["missed"], month["running"]) == (1, 0, 0, 0)
    assert (month["duration_seconds"]["mean"], month["duration_seconds"]["max"]) == (1.0, 1.0), (
        "of those that succeeded"
    )
    assert (month["duration_seconds"]["latest"], month["duration_seconds"]["z_score"]) == (1.0, None)
    longer = program.get(f"{path}/stats?days=60").json
    assert longer["finished"] == 3
    assert longer["duration_seconds"]["z_score"] == pytest.approx(scipy_stats.zscore([9, 1], ddof=1)[1])


@pytest.mark.parametrize(("period", "finished"), [("24h", 2), ("7d", 2), ("30d", 2), ("90d", 3), ("1y", 3)])
def test_stats_are_those_of_the_page(program, organization, period, finished):
    monitor = make_monitor(organization, created_at=NOW - timedelta(days=50))
    path = record(
        monitor,
        Ping(Signal.SUCCESS, NOW - timedelta(days=40), duration_ms=9_000),
        Ping(Signal.SUCCESS, NOW - timedelta(hours=2), duration_ms=1_000),
        Ping(Signal.FAIL, NOW - timedelta(hours=1), duration_ms=3_000),
    )
    stats = program.get(f"{path}/stats?period={period}").json
    shown = analytics.picture(monitor, analytics.PERIODS[period], moments.read(stats["until"])).figures
    assert stats["finished"] == finished == shown.counts.expected
    assert stats["since"] == moments.say(shown.since)
    assert stats["duration_seconds"]["p95"] == shown.p95
    assert (stats["outages"], stats["uptime"]) == (1, pytest.approx(shown.uptime.share))
    assert stats["mttr_seconds"] == pytest.approx(shown.uptime.mttr)
    assert shown.health is not None
    assert (stats["health"]["score"], stats["planned"]) == (shown.health.score, pytest.approx(
        ledgers.planned(monitor, shown.watched)
    ))  # fmt: skip
    assert stats["health"]["performance"] == 1.0


def test_a_period_and_days_are_two_questions(program, trouble):
    path = f"/monitors/{trouble.ids['monitor_id']}/stats"
    assert list(problem(program.get(f"{path}?period=7d&days=7"), 422)["errors"]) == ["days"]
    assert list(problem(program.get(f"{path}?period=fortnight"), 422)["errors"]) == ["period"]


def test_a_monitor_without_runs_has_empty_figures(program, organization):
    path = record(make_monitor(organization))
    stats = program.get(f"{path}/stats").json
    assert (stats["finished"], stats["success_rate"], stats["duration_seconds"]["p95"]) == (0, None, None)


@pytest.mark.parametrize("days", ["0", "367", "x", "1.5", "-1", "१", "1e2"])
def test_days_must_make_sense(program, trouble, days):
    response = program.get(f"/monitors/{trouble.ids['monitor_id']}/stats?days={days}")
    assert list(problem(response, 422)["errors"]) == ["days"]
