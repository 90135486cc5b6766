""".env.example and docs/configuration.md name every setting, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tokiflow import settings
from tokiflow.settings import Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
ASSIGNED = dict(re.findall(r'^([A-Z0-9_]+)="?([^"\n]*)"?$', EXAMPLE, re.MULTILINE))
# Read by `tokiflow run` in somebody's cron job, and by no process of ours.
OF_THE_JOB = {"TOKIFLOW_MONITOR", "TOKIFLOW_URL"}


def test_the_example_has_every_setting_and_no_other():
    assert sorted(ASSIGNED) == sorted(settings.variables())


@pytest.mark.parametrize("field", Settings.model_fields.values(), ids=settings.variables())
def test_the_example_shows_the_default(field):
    shown = ASSIGNED[str(field.alias)]
    if field.is_required() or field.default in ("", None, ()):
        assert shown == ""
    else:
        assert shown.lower() == str(field.default).lower()


@pytest.mark.parametrize("name", settings.variables())
def test_a_comment_stands_above_every_setting_of_the_example(name):
    paragraph = next(part for part in EXAMPLE.split("\n\n") if re.search(rf"^{name}=", part, re.MULTILINE))
    assert paragraph.startswith("# ")


def test_the_guide_explains_every_setting_and_no_other():
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert explained == set(settings.variables()) | OF_THE_JOB


def test_a_filled_in_example_starts():
    strong = "fJ3kQz8LwXv1NpYb7TgRm5HsCd0UeAo2"
    urls = {"DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h", "SECRET_KEY": strong}
    assert settings.load(ASSIGNED | urls).environment == "production"
