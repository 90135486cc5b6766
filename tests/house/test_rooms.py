"""The walls of the house: who may import whom, where time comes from, which jobs there are."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import DateTime

import tokiflow.models  # noqa: F401 - makes every table known
from tokiflow.db import Base, UtcDateTime
from tokiflow.queue import Job

ROOT = Path(__file__).parents[2]
WITHOUT_A_CLOCK = ("core", "models", "queries", "channels", "services")
"""Rooms that are told what time it is."""

OWN_CLOCKS = {
    "services/deliveries.py": 1,  # sending takes time: what `clock` is when nobody gives one
    "services/mailing.py": 1,  # the same, for mail
    "services/exports.py": 1,  # the same, for files
    "services/sign_in_letters.py": 1,  # the same, for links to sign in
    "services/heartbeats.py": 1,  # a beat says "now", and nothing else
}


def test_you_only_walk_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("job", list(Job), ids=str)
def test_every_job_is_there_and_takes_ids(job: Job) -> None:
    module, _, name = str(job).rpartition(".")
    function = getattr(importlib.import_module(module), name)
    assert [*function.__annotations__.values()] == ["list[str]", "int"]


def test_every_function_in_jobs_is_in_the_table() -> None:
    found = {
        f"jobs.{path.stem}.{node.name}"
        for path in (ROOT / "jobs").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert found == set(Job)


@pytest.mark.parametrize("room", WITHOUT_A_CLOCK)
def test_time_is_an_argument(room: str) -> None:
    found = {str(path.relative_to(ROOT / "tokiflow")): len(list(clocks(path))) for path in modules(room)}
    allowed = {path: count for path, count in OWN_CLOCKS.items() if path.startswith(room)}
    assert {path: count for path, count in found.items() if count} == allowed


def clocks(path: Path) -> Iterator[ast.Attribute]:
    """Every place where a module asks what time it is. (`monotonic` measures how long, and is fine.)"""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asks = {"datetime": {"now", "utcnow", "today"}, "date": {"today"}, "time": {"time", "localtime", "gmtime"}}
            if node.attr in asks.get(node.value.id, ()):
                yield node


def modules(room: str) -> list[Path]:
    return sorted((ROOT / "tokiflow" / room).rglob("*.py"))


def test_every_table_is_known_to_migrations() -> None:
    files = {path.stem for path in modules("models")} - {"__init__", "columns", "sealed"}
    assert files == {mapper.class_.__module__.rpartition(".")[2] for mapper in Base.registry.mappers}


def test_every_moment_in_the_database_has_its_zone() -> None:
    naive = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, DateTime) or type(column.type).__name__ in ("Date", "Time", "TIMESTAMP")
        if not isinstance(column.type, UtcDateTime)
    ]
    assert naive == []
    moments = [
        column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, UtcDateTime)
    ]
    assert moments
    assert all(column.type.impl.timezone for column in moments)  # type: ignore[attr-defined]


def test_everything_belongs_to_an_organization() -> None:
    """By a column of its own, or through a parent that does."""
    reached = {"organizations"}
    tables = Base.metadata.tables
    while True:
        more = {
            name
            for name, table in tables.items()
            if name not in reached and any(key.column.table.name in reached for key in table.foreign_keys)
        }
        if not more:
            break
        reached |= more
    # These name their monitor without a foreign key: services.erasures removes them after it.
    reached |= {name for name, table in tables.items() if "monitor_id" in table.columns}
    ours = {"users", "heartbeats", "blind_spells", "sign_in_links", "spools"}
    ours |= {"user_sessions", "passkeys", "authenticators", "recovery_codes"}
    assert set(tables) - reached == ours, "of the installation itself, or of a person"


def test_what_belongs_to_an_organization_goes_with_it() -> None:
    kept = [
        f"{table.name}.{key.parent.name}"
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.ondelete not in ("CASCADE", "SET NULL")
    ]
    assert kept == []
