"""docs/privacy.md names every table that knows of a person."""

from __future__ import annotations

from pathlib import Path

from tokiflow import models  # noqa: F401 - all tables
from tokiflow.db import Base

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")


def test_every_table_that_knows_of_a_person_is_named() -> None:
    knowing = {
        table.name
        for table in Base.metadata.sorted_tables
        if {"email", "to_address"} & {*table.columns.keys()}
        or any(key.column.table.name == "users" for key in table.foreign_keys)
    }
    assert len(knowing) > 10
    assert [name for name in sorted(knowing) if f"`{name}`" not in PAGE] == []
