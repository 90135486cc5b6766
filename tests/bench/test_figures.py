"""What the bench makes of wrk's report: figures, tables, and pings that were lost."""

from __future__ import annotations

import pytest

from bench import doors, load, table
from bench import town as towns
from bench.doors import Sample
from bench.load import Load, Report

PRINTED = """\
Running 5s test @ http://127.0.0.1:40391
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    46.40ms    9.10ms  89.80ms   71.02%
    Req/Sec   640.22     51.10   770.00     68.00%
  3192 requests in 5.00s, 1.10MB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 192
Requests/sec:    638.40
Transfer/sec:    225.70KB

{"requests": 3192, "microseconds": 5000000, "p50": 46400, "p99": 89800, "refused": 192, "broken": 3, "late": 4}
"""


def test_the_report_is_the_last_line_of_what_wrk_prints() -> None:
    assert load.parse(PRINTED) == Report(3192, 5.0, p50_ms=46.4, p99_ms=89.8, refused=192, broken=3, late=4)


def test_only_pings_that_were_told_ok_count_as_acknowledged() -> None:
    report = load.parse(PRINTED)
    assert (report.acknowledged, report.a_second, report.errors) == (3000, 600.0, 199)


def test_output_without_a_report_is_shown_whole() -> None:
    with pytest.raises(ValueError, match="unable to connect to 127"):
        load.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_what_was_under_way_at_the_end_may_be_stored_and_everything_told_ok_must_be() -> None:
    report = Report(1000, 1.0, 10, 20, refused=10)
    told = Sample(report, 2000, 2000, kept=1022, counted=1022, under_way=32)
    assert (told.lost, told.invented) == (0, 0)
    assert Sample(report, 2000, 2000, kept=990, counted=987, under_way=32).lost == 3
    assert Sample(report, 2000, 2000, kept=1022, counted=1034, under_way=32).invented == 2


def test_figures_are_medians_and_errors_are_summed() -> None:
    rounds = [(1000, 10, 20, 2000), (3000, 30, 90, 4000), (2000, 20, 30, 8000)]
    samples = [Sample(Report(n, 1.0, p50, p99, late=1), hello, hello, n, n, 32) for n, p50, p99, hello in rounds]
    assert doors.figures_of(samples) == ["2,000", "0.50", "0.50", "20.0", "30.0", "2.0", "3"]


def test_a_table_reads_well_and_is_markdown() -> None:
    assert table.markdown(["door", "load", "a second"], [["web", "GET", "1,234"]], words=2).splitlines() == [
        "| door | load | a second |",
        "| ---- | ---- | -------: |",
        "| web  | GET  |    1,234 |",
    ]


def test_a_load_says_how_the_pings_come() -> None:
    assert str(Load(32)) == "GET, 32 kept"
    assert str(Load(128, keep_alive=False, body_bytes=1024)) == "POST 1 KB, 128 new each time"


def test_the_web_process_of_the_procfile_is_one_that_can_be_measured() -> None:
    web = towns.procfile()["web"]
    assert towns.port_variables(web) == ["PORT"]
    assert doors.APP in web


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("tokiflow worker", []),
        ("gunicorn --bind 0.0.0.0:$PORT --threads ${WEB_THREADS:-16}", ["PORT"]),
        ("server --port ${INTAKE_PORT:-8001}", ["INTAKE_PORT"]),
    ],
)
def test_a_process_is_told_its_port_in_the_variable_its_line_names(line: str, names: list[str]) -> None:
    assert towns.port_variables(line) == names
