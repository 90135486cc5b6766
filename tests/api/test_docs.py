"""docs/api.md promises nothing that does not happen: its examples are run, in order."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from tests.api.conftest import Program, Trouble, make_key, make_trouble
from tokiflow import api
from tokiflow.db import db
from tokiflow.models import Monitor

GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```console\n\$ (curl [^\n]*)\n```\n+```json\n(.*?)```", GUIDE, re.DOTALL)


def curl(program: Program, command: str, variables: dict[str, str]) -> TestResponse:
    """What `command` gets, asked through the test client."""
    words = shlex.split(re.sub(r"\$([A-Z]+)", lambda found: variables[found[1]], command))[1:]
    method, url, body, headers = "GET", "", None, {}
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "--json":
            body = json.loads(words.pop(0))
        else:
            url = word
    return program.client.open(url, method=method, headers=headers, **({"json": body} if body is not None else {}))


def agrees(promised: Any, got: Any, path: str = "") -> None:
    """Raise unless all that was `promised` is there; `…` stands for anything, or for the rest of a word."""
    if isinstance(promised, dict):
        assert isinstance(got, dict), path
        for name, value in promised.items():
            assert name in got, f"{path}.{name}"
            agrees(value, got[name], f"{path}.{name}")
    elif isinstance(promised, list):
        assert isinstance(got, list), path
        assert len(promised) == len(got), path
        for number, (one, other) in enumerate(zip(promised, got, strict=True)):
            agrees(one, other, f"{path}[{number}]")
    elif isinstance(promised, str) and promised.endswith("…"):
        assert str(got).startswith(promised[:-1]), path
    else:
        assert promised == got, path


def test_every_example_does_what_the_guide_says(program, organization, trouble: Trouble):
    # Pausing resolves the incident of the one; the other's is still there when it is spoken of.
    other = make_trouble(organization)
    for number, row in enumerate((trouble.monitor, other.monitor)):
        row.name, row.slug = f"Something else {number}", f"something-else-{number}"
    db.session.commit()
    variables = {
        "TOKIFLOW": "http://localhost",
        "KEY": program.key,
        "PINGER": make_key(organization, "ping"),
        "MONITOR": trouble.ids["monitor_id"],
        "INCIDENT": other.ids["incident_id"],
    }
    assert len(EXAMPLES) == GUIDE.count("```console")
    for command, promised in EXAMPLES:
        response = curl(program, command, variables)
        agrees(json.loads(promised), response.json, command)
    assert db.session.query(Monitor).filter_by(name="Nightly backup").count() == 1


def test_the_guide_speaks_of_every_sort_of_thing():
    nouns = {one.path.split("/")[3] for one in api.operations() if one.path.startswith("/api/v1/")}
    assert all(f"/{noun}" in GUIDE for noun in nouns)
