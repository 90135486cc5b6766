"""Every component on one page, with believable and with extreme data, at `/dev/gallery`. Development only."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, make_response, render_template
from wtforms import (
    BooleanField,
    EmailField,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
    validators,
)

from tokiflow.web import access, charts, filters, htmx, trend_chart
from tokiflow.web.forms.base import Form

blueprint = Blueprint("gallery", __name__, url_prefix="/dev/gallery")

NOW = datetime(2025, 11, 21, 10, 17, 0, tzinfo=UTC)
LONG_NAME = "Recompute every customer’s lifetime value and then " + "again " * 1650
ARABIC = "نسخ احتياطي ليلي لقاعدة البيانات (prod-1)"
UNBROKEN = "x" * 400


@dataclass(frozen=True)
class Row:
    """A monitor as the lists show it."""

    status: str
    name: str
    schedule: str
    tags: list[str]
    strip: charts.Strip
    last_ping_at: datetime | None
    next_words: str


@dataclass(frozen=True)
class Organization:
    id: int
    name: str
    slug: str


@dataclass(frozen=True)
class Person:
    email: str = "alice@harbour.example"
    name: str = "Alice"
    is_authenticated: bool = True


class GalleryForm(Form):
    name = StringField("Name", [validators.InputRequired("Write a name, such as Nightly backup.")])
    kind = RadioField(
        "Schedule",
        choices=[SelectChoice("every", "Every"), SelectChoice("cron", "Cron"), SelectChoice("calendar", "Calendar")],
    )
    expression = StringField("Expression", [validators.Length(max=8, message="Five fields, such as 0 2 * * *.")])
    timezone = SelectField("Time zone", choices=["Europe/Berlin", "UTC", "Pacific/Apia"])
    grace = IntegerField("Grace", [validators.Optional()])
    email = EmailField("E-mail", [validators.Optional()])
    description = TextAreaField("Description")
    capture = BooleanField("Keep what the job prints")


def strip(pattern: str, seed: int = 1) -> charts.Strip:
    """A strip from letters: o success, u unusual, x failed, r overran, m missed, > running."""
    dice = random.Random(seed)
    outcomes: dict[str, charts.Outcome] = {
        "o": "success", "u": "unusual", "x": "failed", "r": "overran", "m": "missed", ">": "running",
    }  # fmt: skip
    return charts.run_strip([charts.Tick(outcomes[letter], max(20, dice.gauss(190, 30))) for letter in pattern])


def rows() -> list[Row]:
    """Seven believable monitors, worst first, and three that test the walls."""
    prod, many = ["db", "prod"], [f"tag-{k}" for k in range(200)]
    far = "Every day at 05:00, America/Argentina/ComodRivadavia"
    with_overrun = strip("oooroooo" + "o" * 16 + "uoooooooooo>", 4)
    return [
        Row("down", "Nightly backup", "Daily at 02:00", prod, strip("o" * 34 + "mm"), _ago(33), "missed 02:05"),
        Row("down", "Invoice e-mails", "Every 15 min", ["mail"], strip("o" * 33 + "xxx", 2), _ago(0.07), "exit code 3"),
        Row("late", "Warehouse sync", "Every hour", prod, strip("o" * 30 + "uoooou", 3), _ago(1.05), "3 min late"),
        Row("up", "Search index rebuild", "Every 6 h", ["search"], with_overrun, _ago(0.8), "in 5 h 12 min"),
        Row("up", "TLS certificate renewal", "Mon at 04:30, UTC", ["ops"], strip("o" * 9, 5), _ago(48), "in 4 days"),
        Row("paused", "Old CRM import", "Every 2 hours", ["etl"], strip("o" * 36, 6), _ago(504), "paused by Bob"),
        Row("new", "Staging cleanup", "Every day at 05:00", ["staging"], strip(""), None, "waiting for its first ping"),
        Row("up", ARABIC, "كل يوم", ["إنتاج"], strip("o" * 36, 7), _ago(1), "in 23 h"),
        Row("up", LONG_NAME, far, many, strip("x" * 36, 8), _ago(9600), "in 365 days"),
        Row("down", UNBROKEN, "Every 30 s", [UNBROKEN], strip("m" * 36, 9), _ago(0.01), "missed at 10:16:40"),
    ]  # fmt: skip


def _ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def run_times(days: int = 90) -> trend_chart.Trend | None:
    """Ninety nights of a backup with one anomaly and one failure."""
    dice = random.Random(4)
    points, band = [], []
    for k in range(days):
        at, usual = NOW - timedelta(days=days - k), 190 + 14 * math.sin(k / 6) + k * 0.25
        band.append(trend_chart.Band(at, usual - 26, usual + 26))
        points.append(trend_chart.Point(at, usual + dice.gauss(0, 7)))
    points[40] = trend_chart.Point(points[40].at, 104, "failed", "failed after 1 m 44 s")
    points[61] = trend_chart.Point(points[61].at, 318, "odd", "5 m 18 s; usually 3 m 24 s ± 13 s")
    points[88] = trend_chart.Point(points[88].at, 290, "odd", "4 m 50 s; usually 3 m 31 s")
    return trend_chart.trend(points, band)


def context(quiet: bool = False) -> dict[str, Any]:
    """All that base.html and the gallery expect."""
    names = {"harbour": "Harbour Freight", "alice": "Alice’s own", "long": LONG_NAME, "arabic": ARABIC}
    organizations = [Organization(k, name, slug) for k, (slug, name) in enumerate(names.items(), start=1)]
    return {
        "now": NOW, "current_user": Person(), "organizations": organizations, "current_organization": organizations[0],
        "open_incident_count": 0 if quiet else 2, "overall_status": "up" if quiet else "down",
        "system_notice": "" if quiet else "The clock has not been heard from for 3 minutes: missed jobs go unnoticed.",
    }  # fmt: skip


@blueprint.before_request
def _look() -> None:
    filters.look(NOW, UTC)


@blueprint.route("", methods=["GET", "POST"])
@access.public
def show() -> Response:
    """The gallery; posting its form always finds mistakes."""
    form = GalleryForm()
    if form.is_submitted():
        form.validate()
        form.form_errors.append("This form never saves anything.")
    sample: dict[str, Any] = {
        "rows": rows(),
        "form": form,
        "chart": run_times(),
        "strip": strip,
        "long_name": LONG_NAME,
        "arabic": ARABIC,
    }
    sample["spark"] = charts.sparkline([190 + 20 * math.sin(k) for k in range(30)])
    sample["bars"] = [charts.progress(62, 3, 5, "dumping tables"), charts.progress(0), charts.progress(100)]
    body = render_template("components/gallery.html", **context(), **sample)
    return make_response(body, 422 if form.errors else 200)


@blueprint.get("/delete")
@access.public
def confirm() -> Response:
    """The question before a deletion, as a page and as a dialog."""
    return htmx.page("components/_gallery_page.html", "components/_gallery_delete.html", **context(quiet=True))
