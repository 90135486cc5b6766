"""The trend of run times: what lands where, what is said beside it, and what a screen reader is told instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tokiflow.web import trend_chart
from tokiflow.web.trend_chart import Band, Point

START = datetime(2025, 8, 23, 2, 0, tzinfo=UTC)


def nights(*seconds: float, kinds: dict[int, tuple[str, str]] | None = None) -> list[Point]:
    kinds = kinds or {}
    return [
        Point(START + timedelta(days=k), took, *kinds.get(k, ("usual", "")))  # type: ignore[arg-type]
        for k, took in enumerate(seconds)
    ]


def test_a_trend_needs_two_moments() -> None:
    assert trend_chart.trend([]) is None
    assert trend_chart.trend(nights(5)) is None
    assert trend_chart.trend([Point(START, 5), Point(START, 6)]) is None


def test_the_axis_is_round_and_above_every_run() -> None:
    chart = trend_chart.trend(nights(180, 200, 318))
    assert chart
    assert [row.words for row in chart.rows] == ["2 m", "4 m", "6 m"]
    assert chart.columns[0].place == 0
    assert chart.columns[-1].place == 100


def test_an_odd_run_gets_a_dot_and_its_words() -> None:
    chart = trend_chart.trend(nights(180, 318, 181, kinds={1: ("odd", "5 m 18 s; usually 3 m")}))
    assert chart
    (dot,) = chart.dots
    assert (dot.kind, dot.said, dot.anchor, dot.newest) == ("odd", "5 m 18 s; usually 3 m", "middle", True)
    assert dot.text_y < dot.y
    assert "24 Aug: 5 m 18 s; usually 3 m." in chart.summary


def test_words_that_would_lie_on_each_other_go_oldest_first() -> None:
    kinds = {k: ("odd", f"night {k}") for k in (4, 5, 6)}
    chart = trend_chart.trend(nights(10, 10, 10, 10, 50, 50, 50, 10, 10, 10, kinds=kinds))
    assert chart
    assert [dot.said for dot in chart.dots] == ["", "", "night 6"]


def test_words_near_an_edge_lean_away_from_it() -> None:
    chart = trend_chart.trend(nights(50, 10, 10, 10, 10, 60, kinds={0: ("odd", "first"), 5: ("odd", "last")}))
    assert chart
    assert [dot.anchor for dot in chart.dots] == ["start", "end"]


def test_the_band_is_a_closed_shape_that_never_dips_below_zero() -> None:
    points = nights(10, 12, 11)
    chart = trend_chart.trend(points, [Band(point.at, -5, 30) for point in points])
    assert chart
    assert chart.band.startswith("M")
    assert chart.band.endswith("Z")
    assert f"{chart.base:.1f}" in chart.band


def test_a_band_far_wider_than_the_runs_leaves_them_half_of_the_room() -> None:
    points = nights(100, 120, 110)
    chart = trend_chart.trend(points, [Band(point.at, 10, 1e9) for point in points])
    assert chart
    assert [row.words for row in chart.rows] == ["1 m", "2 m", "3 m", "4 m"]


@given(st.lists(st.floats(0, 1e10, allow_nan=False), min_size=2, max_size=200))
def test_any_run_times_make_a_chart_that_fits(seconds: list[float]) -> None:
    chart = trend_chart.trend(nights(*seconds))
    assert chart
    assert 1 <= len(chart.rows) <= 5
    assert all(0 < row.place < chart.height for row in chart.rows)


def test_a_run_of_milliseconds_has_an_axis_of_milliseconds() -> None:
    chart = trend_chart.trend(nights(0.003, 0.004, 0.005))
    assert chart
    assert [row.words for row in chart.rows] == ["2 ms", "4 ms", "6 ms"]


def test_a_run_of_days_has_an_axis_of_days() -> None:
    chart = trend_chart.trend(nights(2 * 86400, 3 * 86400))
    assert chart
    assert [row.words for row in chart.rows] == ["1 day", "2 days", "3 days"]


def test_what_failed_or_never_came_is_marked_and_the_line_passes_it_by() -> None:
    points = nights(180, 3, 181, 182, kinds={1: ("failed", "failed after 3 s")})
    points.insert(3, Point(START + timedelta(days=2, hours=1), None, "missed", "missed"))
    chart = trend_chart.trend(points)
    assert chart
    assert [dot.kind for dot in chart.dots] == ["failed", "missed"]
    assert chart.dots[1].y == chart.base
    assert chart.line.count("L") == 2


def test_a_job_that_only_fails_has_marks_and_no_line() -> None:
    chart = trend_chart.trend(nights(3, 3, 3, kinds=dict.fromkeys(range(3), ("failed", "failed after 3 s"))))
    assert chart
    assert (chart.line, len(chart.dots)) == ("", 3)


def test_without_any_time_there_is_no_chart() -> None:
    assert trend_chart.trend([Point(START, None), Point(START + timedelta(days=1), None)]) is None


def test_the_line_is_interrupted_where_the_job_rested_for_long() -> None:
    before, after = nights(*[10.0] * 30), nights(*[10.0] * 30)
    moved = [Point(point.at + timedelta(days=120), point.seconds) for point in after]
    chart = trend_chart.trend([*before, *moved])
    assert chart
    assert chart.line.count("M") == 2


def test_silence_up_to_now_is_part_of_the_chart() -> None:
    chart = trend_chart.trend(nights(10, 10), until=START + timedelta(days=10))
    assert chart
    assert chart.line.split("L")[-1].startswith("100.0 ")


def test_a_point_of_several_shows_their_range_and_stays_in_the_line_when_one_failed() -> None:
    points = [Point(START + timedelta(hours=k), 3, "failed" if k == 1 else "usual", "", 1, 9) for k in range(3)]
    chart = trend_chart.trend(points)
    assert chart
    assert chart.range.count("M") == 3
    assert chart.line.count("L") == 2


def test_at_most_a_few_are_told_in_words_and_the_unusual_before_the_failed() -> None:
    kinds = dict.fromkeys(range(0, 90, 2), ("failed", "failed")) | {61: ("odd", "took 9 s; usually 3 s (z = 8.8)")}
    chart = trend_chart.trend(nights(*[3.0] * 90, kinds=kinds))
    assert chart
    said = [dot.said for dot in chart.dots if dot.said]
    assert "9 s; usually 3 s" in said
    assert len(said) <= trend_chart.WORDED
    assert chart.crowded
    assert all(dot.title for dot in chart.dots)


moments = st.lists(st.timedeltas(timedelta(0), timedelta(days=400)), min_size=2, max_size=60, unique=True)
KINDS: tuple[trend_chart.Kind, ...] = ("usual", "odd", "failed", "missed")
kinds_of_points = st.sampled_from(KINDS)


@given(moments, st.data())
def test_everything_stays_inside_of_the_chart(offsets: list[timedelta], data: st.DataObject) -> None:
    points = [
        Point(START + offset, data.draw(st.none() | st.floats(0, 1e6)), data.draw(kinds_of_points), "said")
        for offset in sorted(offsets)
    ]
    chart = trend_chart.trend(points)
    if chart is None:
        assert all(point.seconds is None for point in points)
        return
    assert all(0 <= dot.x <= 100 and 0 <= dot.y <= chart.height for dot in chart.dots)
    assert all(0 < dot.text_y < chart.height for dot in chart.dots)
    assert all(0 <= mark.place <= 100 for mark in chart.columns)
