"""Look for words in everything that is kept: every column of every table, and every file of a store."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import psycopg

from tokiflow.adapters.storage import S3, Folder, Storage


def in_tables(connection: psycopg.Connection[Any], trace: str) -> list[str]:
    """Every column that holds `trace`, in whatever case, as table.column."""
    columns = connection.execute(
        "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' and "
        "data_type in ('text', 'character varying', 'json', 'jsonb', 'bytea', 'ARRAY', 'uuid', 'inet') order by 1, 2"
    ).fetchall()
    return [f"{table}.{column}" for table, column, kind in columns if _holds(connection, table, column, kind, trace)]


def _holds(connection: psycopg.Connection[Any], table: str, column: str, kind: str, trace: str) -> bool:
    name = f'"{column}"'
    words = f"encode({name}, 'escape')" if kind == "bytea" else f"{name}::text"
    found = connection.execute(
        f"select exists(select from {table} where position(%s in lower({words})) > 0)",
        [trace.lower()],
    ).fetchone()
    return bool(found and found[0])


def in_store(store: Storage, trace: str) -> list[str]:
    """The key of every file that holds `trace`, in whatever case, looked into where it is a zip; or has it as key."""
    return [key for key, data in _files(store) if trace.lower() in key.lower() or trace.lower() in _readable(data)]


def _files(store: Storage) -> Iterator[tuple[str, bytes]]:
    if isinstance(store, Folder):
        for path in sorted(store._root.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(store._root)), path.read_bytes()
        return
    assert isinstance(store, S3)
    for page in store._client.get_paginator("list_objects_v2").paginate(Bucket=store._bucket):
        for one in page.get("Contents", []):
            yield one["Key"], store.get(one["Key"])


def _readable(data: bytes) -> str:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data.decode("utf-8", "replace").lower()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return b"".join(archive.read(one) for one in archive.namelist()).decode("utf-8", "replace").lower()
