"""A report on paper: every monitor, whatever it is called, on as many pages as it takes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from pypdf import PdfReader

from tokiflow.core import stretches
from tokiflow.core.health import Uptime
from tokiflow.core.reports import Line, Report
from tokiflow.services.exporting import report_fonts, report_pdf

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
OCTOBER = stretches.month(date(2026, 10, 1), "Europe/Berlin", NOW)
LONG = "A name that says all that the job does, from the first table it reads to the last file it writes, and why, " * 2
NAMES = (
    "Nightly backup",
    "Orders → warehouse",
    "Ярмарка",
    "Ελληνικά",
    "Báo cáo hằng ngày",
    "Łódź ß ŋ",
    LONG,
    "x" * 200,
)


def line(name: str, down: int = 0) -> Line:
    days = [Uptime(86_400, down if n == 4 else 0, int(n == 4 and down > 0)) for n in range(len(OCTOBER.days))]
    total = Uptime(31 * 86_400, down, int(down > 0))
    return Line(uuid4(), name, "x", (), total, 31, 30, 1, 0, 0, 2, 4_000.0, 99, days)


def written(path: Path, *lines: Line, organization: str = "Harbour Freight") -> tuple[PdfReader, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    report_pdf.write(
        Report(organization, "", OCTOBER, NOW, lines), path, lambda done, total: told.append((done, total))
    )
    return PdfReader(path), told


def test_five_hundred_monitors_are_all_there_on_numbered_pages(tmp_path: Path) -> None:
    lines = [line(f"Job {n:03} {NAMES[n % len(NAMES)]}", n % 7 * 600) for n in range(500)]
    read, told = written(tmp_path / "r.pdf", *lines)
    pages = [page.extract_text() for page in read.pages]
    assert len(pages) > 15
    for n, text in enumerate(pages, start=1):
        assert f"Page {n} of {len(pages)}" in text
        assert "Harbour Freight · October 2026" in text
    text = "\n".join(pages)
    assert all(f"Job {n:03}" in text for n in range(500))
    assert "planned maintenance counts as up" in " ".join(pages[-1].split())
    assert told
    assert all(done <= total == len(pages) for done, total in told)
    assert (tmp_path / "r.pdf").stat().st_size < 1_000_000


def test_it_can_be_read_aloud_found_and_filed(tmp_path: Path) -> None:
    read, _ = written(tmp_path / "r.pdf", line("Ярмарка", 3_600))
    assert read.metadata is not None
    assert (read.metadata.title, read.metadata.author) == (
        "Report for October 2026: Harbour Freight",
        "Harbour Freight",
    )
    assert "was down longest, 1 h in 1 outage" in str(read.metadata.subject)
    assert str(read.root_object["/Lang"]) == "en"
    assert "DisplayDocTitle" in str(read.root_object["/ViewerPreferences"])
    assert read.outline
    width, height = (float(one) for one in read.pages[0].mediabox[2:])
    assert (round(width), round(height)) == (595, 842)


@pytest.mark.parametrize("name", ["Ярмарка", "Báo cáo hằng ngày", "Łódź ß", "→ ▲ ✓", "データ 백업", "Սերվեր", "café"])
def test_every_letter_has_a_font(name: str, tmp_path: Path) -> None:
    read, _ = written(tmp_path / "r.pdf", line(name))
    assert report_fonts.BOX not in "".join(piece for _, piece in report_fonts._pieces(name, report_fonts.STRONG))
    assert name.split()[0].replace("e\u0301", "é") in read.pages[0].extract_text()


def test_what_nobody_can_draw_is_a_box_and_right_to_left_reads_so() -> None:
    assert report_fonts._pieces("Sync 🚢", report_fonts.REGULAR)[-1] == (report_fonts.OTHER, report_fonts.BOX)
    assert report_fonts._as_seen("גיבוי לילי 7") == "ילי" + "ל " + "יוביג 7"
    assert report_fonts._as_seen("a\u202eb\x00c\u0301") == "abć"


def test_long_names_wrap_and_stay_in_their_column() -> None:
    for name in (LONG, "x" * 200, "ж" * 200, "word " * 40):
        for text in report_fonts.wrapped(name, 8.5, 142, 4, report_fonts.STRONG):
            assert report_fonts.width(text, 8.5, report_fonts.STRONG) <= 142
    assert len(report_fonts.wrapped(LONG, 8.5, 142, 4)) == 4
    assert report_fonts.wrapped(LONG, 8.5, 142, 4)[-1].endswith("…")
    assert report_fonts.wrapped("", 8.5, 142, 4) == [""]


def test_nothing_and_the_longest_names_fit_on_paper(tmp_path: Path) -> None:
    empty, _ = written(tmp_path / "a.pdf")
    assert "There are no monitors yet." in empty.pages[0].extract_text()
    long, _ = written(tmp_path / "b.pdf", line(LONG[:200], 60), organization=LONG[:200])
    assert "Page 1 of" in long.pages[0].extract_text()


def test_web_and_clock_never_load_what_draws() -> None:
    loaded = "tokiflow.app, tokiflow.cli.clock, tokiflow.web.reports, jobs.exports, jobs.reports"
    said = f"import sys, {loaded}; print('reportlab' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
