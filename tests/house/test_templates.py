"""Templates obey the content security policy, and show what strangers wrote as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

FOLDER = Path(__file__).parents[2] / "tokiflow" / "templates"
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
PAGES = [name for name in TEMPLATES if not name.startswith("mail/")]
"""Mail has no policy to obey, and no other way than inline styles."""

OURS = {"shapes"}
"""Marked safe: drawings of our own, chosen by a name out of our own list."""

INLINE = {
    "a style": re.compile(r"\sstyle\s*=|<style\b", re.IGNORECASE),
    "a script": re.compile(r"<script\b(?![^>]*\ssrc=)", re.IGNORECASE),
    "a handler": re.compile(r"<[^>{]*\s(?:on[a-z]+|hx-on[:\w-]*)\s*=", re.IGNORECASE),
    "a script in an address": re.compile(r"=\s*[\"']?\s*javascript:", re.IGNORECASE),
}


def source(name: str) -> str:
    """The template, without its comments."""
    return re.sub(r"\{#.*?#\}", "", (FOLDER / name).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_runs_or_is_styled_inline(name: str) -> None:
    text = re.sub(r"\{%.*?%\}", "", source(name), flags=re.DOTALL)
    assert [what for what, pattern in INLINE.items() if pattern.search(text)] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_a_stranger_wrote_is_marked_safe(name: str) -> None:
    tree = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"]).parse(source(name))
    for marked in tree.find_all(nodes.Filter):
        if marked.name == "safe":
            names = {one.name for one in marked.find_all(nodes.Name)} - {"kind", "step"}
            assert names <= OURS, f"line {marked.lineno}: only {', '.join(OURS)} may be marked safe"
    switched = [node.lineno for node in tree.find_all((nodes.EvalContextModifier, nodes.ScopedEvalContextModifier))]
    assert switched == [], "{% autoescape false %} has no place here"


@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(".html")])
def test_every_form_that_posts_carries_a_token(name: str) -> None:
    text = source(name)
    forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", text, flags=re.DOTALL | re.IGNORECASE)
    for form in forms:
        assert "csrf" in form or "hidden_tag" in form or "caller()" in form, form[:200]


@pytest.mark.parametrize("name", [name for name in PAGES if "<table" in source(name)])
def test_every_table_says_what_it_is_and_names_its_columns(name: str) -> None:
    for table in re.findall(r"<table\b.*?</table>", source(name), flags=re.DOTALL):
        assert re.match(r"<table\b[^>]*>\s*<caption\b", table), table[:200]
        assert "<th" in table or "head(" in table, table[:200]
