"""A report on paper: A4, a title, what matters in three sentences, and every monitor, over as many pages as it takes.

Import it only in a job: reportlab is heavy. It draws what core.reports says, and reckons nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tokiflow.core import durations, reports, shares
from tokiflow.core.health import Uptime
from tokiflow.core.reports import Line, Report
from tokiflow.core.schedule import zones
from tokiflow.services.exporting import Progress
from tokiflow.services.exporting.report_fonts import REGULAR, STRONG, cut, draw, draw_right, width, wrapped

INK, SOFT, PALE = HexColor("#1d2129"), HexColor("#565d6b"), HexColor("#8a8880")
RULE, PAPER = HexColor("#e5e2dc"), HexColor("#faf9f7")
UP, DOWN, LATE, ACCENT = HexColor("#7fbb9c"), HexColor("#b92a1e"), HexColor("#855300"), HexColor("#3346c8")

WIDE, HIGH = A4
SIDE = 42.0
TOP, BOTTOM = HIGH - 44, 58.0
LINE = 11.0
NAME_LINES = 4
PROGRESS_EVERY = 5
"""Pages."""


class Column(NamedTuple):
    """A number of each monitor, right-aligned at `x`."""

    head: str
    x: float
    say: Callable[[Line], str]


NAME_WIDE = 142.0
BARS_X, BARS_WIDE = SIDE + NAME_WIDE + 10, 80.0
COLUMNS = (
    Column("Uptime", 319, lambda line: shares.percent(line.uptime.share)),
    Column("Success", 364, lambda line: shares.percent(line.success_rate)),
    Column("Incidents", 410, lambda line: f"{line.incidents:,}" if line.known else "–"),
    Column("MTTR", 466, lambda line: _length(line.uptime.mttr)),
    Column("p95", 519, lambda line: _length(line.p95)),
    Column("Health", WIDE - SIDE, lambda line: "–" if line.score is None else str(line.score)),
)


@dataclass(frozen=True)
class Row:
    """A monitor with its name in lines."""

    line: Line
    name: Sequence[str]

    @property
    def high(self) -> float:
        return max(len(self.name) * LINE, 11) + 9


def write(report: Report, path: Path, progress: Progress) -> None:
    """Draw `report` into the file at `path`."""
    canvas = Canvas(str(path), pagesize=A4, lang="en", pageCompression=1)
    canvas.setTitle(f"{report.title}: {report.organization}")
    canvas.setSubject(" ".join(report.sentences))
    canvas.setAuthor(report.organization)
    canvas.setCreator("Tokiflow")
    canvas.setKeywords([report.stretch.words, report.about])
    canvas.setViewerPreference("DisplayDocTitle", "true")
    rows = [Row(line, wrapped(line.name, 8.5, NAME_WIDE, NAME_LINES, STRONG)) for line in report.lines]
    first = _Cover(canvas, report)
    pages = _pages(rows, first.room)
    for n, some in enumerate(pages, start=1):
        y = first.draw() if n == 1 else TOP - 8
        _outline(canvas, report, n)
        if some:
            _table(canvas, report, some, y)
        if n == len(pages):
            _how(canvas, report)
        _foot(canvas, report, n, len(pages))
        canvas.showPage()
        if n % PROGRESS_EVERY == 0:
            progress(n, len(pages))
    canvas.save()


def _pages(rows: Sequence[Row], room: float) -> list[list[Row]]:
    """Which rows stand on which page; the last one has room for how it is reckoned."""
    pages: list[list[Row]] = [[]]
    left = room - HEAD
    for row in rows:
        if row.high > left:
            pages.append([])
            left = TOP - 8 - BOTTOM - HEAD
        pages[-1].append(row)
        left -= row.high
    return [*pages, []] if left < HOW else pages


# --- the first page ---------------------------------------------------------------------------------------------


class _Cover:
    """What stands above the table on the first page: who and when, three sentences, the figures, the days."""

    def __init__(self, canvas: Canvas, report: Report) -> None:
        self.canvas, self.report = canvas, report
        wide = WIDE - 2 * SIDE
        self.name = wrapped(report.organization, 12, wide, 2)
        self.title = wrapped(_capital(report.stretch.words), 27, wide, 2, STRONG)
        self.said = [wrapped(one, 11, wide - 30, 4) for one in report.sentences]
        self.figures = bool(report.lines)

    @property
    def room(self) -> float:
        return float(self._below() - BOTTOM)

    def _below(self) -> float:
        y = float(TOP) - 42 - len(self.title) * 32 - len(self.name) * 16 - 14
        y -= sum(len(one) * 16 + 3 for one in self.said) + 18
        return y - (58 + 92 + self._worst_high() if self.figures else 0)

    def _worst_high(self) -> float:
        return 20.0 if self.report.worst_days else 0.0

    def draw(self) -> float:
        """Draw it; where the table begins."""
        canvas, y = self.canvas, float(TOP)
        _mark(canvas, SIDE, y - 1)
        canvas.setFillColor(INK)
        draw(canvas, SIDE + 19, y, "Tokiflow", 10.5, STRONG)
        canvas.setFillColor(SOFT)
        draw_right(canvas, WIDE - SIDE, y, "How scheduled jobs did", 9)
        y -= 42
        canvas.setFillColor(INK)
        for text in self.title:
            y -= 4
            draw(canvas, SIDE, y, text, 27, STRONG)
            y -= 28
        canvas.setFillColor(SOFT)
        about = f" · {self.report.about}"
        for n, text in enumerate(self.name):
            last = n == len(self.name) - 1
            draw(canvas, SIDE, y + 4, cut(text + about, 12, WIDE - 2 * SIDE) if last else text, 12)
            y -= 16
        y -= 14
        canvas.setFillColor(INK)
        for sentence in self.said:
            for text in sentence:
                draw(canvas, SIDE, y, text, 11)
                y -= 16
            y -= 3
        y -= 18
        if self.figures:
            y = self._worst(self._days(self._figures(y)))
        return y

    def _figures(self, y: float) -> float:
        total = self.report.total
        told = (
            ("Uptime", shares.percent(total.uptime.share)),
            ("Down", _length(total.uptime.down) if total.known else "–"),
            ("Success rate", shares.percent(total.success_rate)),
            ("Incidents", f"{total.incidents:,}"),
            ("Mean time to recovery", _length(total.uptime.mttr)),
            ("Health", "–" if total.score is None else f"{total.score}"),
        )
        canvas, x = self.canvas, SIDE
        wides = [max(width(label, 8), width(value, 14.5, STRONG)) for label, value in told]
        gap = (WIDE - 2 * SIDE - sum(wides)) / (len(told) - 1)
        canvas.setStrokeColor(RULE)
        canvas.line(SIDE, y + 14, WIDE - SIDE, y + 14)
        for (label, value), wide in zip(told, wides, strict=True):
            canvas.setFillColor(SOFT)
            draw(canvas, x, y, label, 8)
            canvas.setFillColor(INK)
            draw(canvas, x, y - 19, value, 14.5, STRONG)
            x += wide + gap
        canvas.line(SIDE, y - 32, WIDE - SIDE, y - 32)
        return y - 58

    def _days(self, y: float) -> float:
        canvas, days = self.canvas, self.report.stretch.days
        canvas.setFillColor(INK)
        draw(canvas, SIDE, y, "Day by day", 10, STRONG)
        canvas.setFillColor(SOFT)
        draw_right(canvas, WIDE - SIDE, y, "all together; dark is time down, and even a little can be seen", 8)
        _bars(canvas, self.report.total.days, SIDE, y - 52, WIDE - 2 * SIDE, 36, gap=2.5, least=0.12)
        canvas.setFillColor(SOFT)
        draw(canvas, SIDE, y - 64, _short(days[0]), 8)
        if len(days) > 1:
            draw_right(canvas, WIDE - SIDE, y - 64, _short(days[-1]), 8)
        return y - 92

    def _worst(self, y: float) -> float:
        worst = self.report.worst_days
        if not worst:
            return y
        told = [
            f"{_short(one.day)}, {_length(one.down)} of {one.monitors} monitor{'' if one.monitors == 1 else 's'}"
            for one in worst[:3]
        ]
        said = "; ".join(told)
        while len(told) > 1 and width(f"Down longest on {said}", 8.5) > WIDE - 2 * SIDE:
            said = "; ".join(told := told[:-1])
        self.canvas.setFillColor(SOFT)
        draw(self.canvas, SIDE, y + 12, cut(f"Down longest on {said}", 8.5, WIDE - 2 * SIDE), 8.5)
        return y - 20


# --- the table --------------------------------------------------------------------------------------------------

HEAD, HOW = 24.0, 50.0


def _table(canvas: Canvas, report: Report, rows: Sequence[Row], y: float) -> None:
    canvas.setFillColor(SOFT)
    draw(canvas, SIDE, y, "Monitor", 8)
    draw(canvas, BARS_X, y, "Days" if len(report.stretch.days) <= MANY else "Weeks", 8)
    for column in COLUMNS:
        draw_right(canvas, column.x, y, column.head, 8)
    canvas.setStrokeColor(PALE)
    canvas.setLineWidth(0.7)
    canvas.line(SIDE, y - 7, WIDE - SIDE, y - 7)
    y -= HEAD - 4
    for row in rows:
        _row(canvas, row, y)
        y -= row.high


def _row(canvas: Canvas, row: Row, y: float) -> None:
    line, at = row.line, y
    for text in row.name:
        canvas.setFillColor(INK)
        draw(canvas, SIDE, at, text, 8.5, STRONG)
        at -= LINE
    _bars(canvas, line.days, BARS_X, y - 2, BARS_WIDE, 10, gap=0.9)
    for column in COLUMNS:
        down = column.head == "Uptime" and line.often_down
        bad = down or (column.head == "Success" and line.often_bad)
        canvas.setFillColor(DOWN if down else LATE if bad else INK)
        draw_right(canvas, column.x, y, column.say(line), 8.5, STRONG if bad else REGULAR)
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.5)
    below = y - row.high + 12
    canvas.line(SIDE, below, WIDE - SIDE, below)


MANY = 62
"""Up to so many days have a bar each; more are drawn by the week."""


def _bars(
    canvas: Canvas, days: Sequence[Uptime], x: float, y: float, wide: float, high: float, gap: float, least: float = 0.3
) -> None:
    """A bar for each day: its down time dark from below, at least so much of it that it is seen; none where nothing was
    watched, but a line."""
    drawn = list(reports.weeks(days, 7)) if len(days) > MANY else days
    if not drawn:
        return
    step = wide / len(drawn)
    gap = min(gap, step / 3)
    for n, one in enumerate(drawn):
        left = x + n * step
        if one.watched <= 0:
            _box(canvas, PALE, left, y, step - gap, 0.6)
            continue
        dark = 0.0 if one.down <= 0 else max(least, min(one.down / one.watched, 1.0)) * high
        _box(canvas, UP, left, y + dark, step - gap, high - dark)
        if dark:
            _box(canvas, DOWN, left, y, step - gap, dark)


def _box(canvas: Canvas, colour: Color, x: float, y: float, wide: float, high: float) -> None:
    canvas.setFillColor(colour)
    canvas.rect(x, y, wide, high, stroke=0, fill=1)


# --- around it --------------------------------------------------------------------------------------------------


def _how(canvas: Canvas, report: Report) -> None:
    zone = report.stretch.zone
    said = (
        f"Days are those of {zone}. Uptime is the time watched in which no outage was open; planned maintenance "
        "counts as up, and time paused does not count. Success rate: runs that succeeded, of all that ended or were "
        "due. MTTR: mean time to recovery, down time for each outage. p95: 95 of 100 successful runs took no longer. "
        "Health: 0 to 100, of uptime (40 %), success rate (30 %) and runs like the usual (30 %). Incidents: those that "
        "began in this time."
    )
    canvas.setFillColor(SOFT)
    y = BOTTOM + 38
    for text in wrapped(said, 7.5, WIDE - 2 * SIDE, 5):
        draw(canvas, SIDE, y, text, 7.5)
        y -= 10


def _foot(canvas: Canvas, report: Report, page: int, pages: int) -> None:
    made = report.made_at.astimezone(zones.zone(report.stretch.zone))
    canvas.setFillColor(SOFT)
    number = f"Page {page} of {pages}"
    said = (
        f"{report.organization} · {report.stretch.words} · made {made.day} {made:%B %Y, %H:%M} ({report.stretch.zone})"
    )
    draw(canvas, SIDE, 30, cut(said, 8, WIDE - 2 * SIDE - width(number, 8) - 16), 8)
    draw_right(canvas, WIDE - SIDE, 30, number, 8)


def _outline(canvas: Canvas, report: Report, page: int) -> None:
    canvas.bookmarkPage(f"page-{page}")
    canvas.addOutlineEntry(report.title if page == 1 else f"Page {page}", f"page-{page}", 0)


def _mark(canvas: Canvas, x: float, y: float) -> None:
    """The sign of the house: a ring, and in it a pulse."""
    canvas.saveState()
    canvas.setStrokeColor(ACCENT)
    canvas.setLineWidth(1.1)
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    canvas.circle(x + 6, y + 4.5, 6)
    pulse = canvas.beginPath()
    points = ((-3.8, -0.7), (-2.2, -0.7), (-1.2, 1.9), (0.5, -2.3), (1.7, 0.5), (2.2, -0.7), (3.8, -0.7))
    pulse.moveTo(x + 6 + points[0][0], y + 4.5 + points[0][1])
    for dx, dy in points[1:]:
        pulse.lineTo(x + 6 + dx, y + 4.5 + dy)
    canvas.drawPath(pulse)
    canvas.restoreState()


def _length(seconds: float | None) -> str:
    return "–" if seconds is None else durations.words(seconds)


def _short(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
