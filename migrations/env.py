"""Alembic's entry: the app's engine, with time-outs so that a migration never holds up a live table.

Two releases that start at once take turns by an advisory lock (tokiflow.cli.db).
"""

from __future__ import annotations

import re
from logging import getLogger

from alembic import context
from flask import current_app
from sqlalchemy import text

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"
PARTITION = re.compile(r"(pings|runs)_(default|p\d+)\Z")

getLogger("alembic")
db = current_app.extensions["migrate"].db


def render_item(kind: str, thing: object, _context: object) -> str | bool:
    """Migrations say what a column is in the database and import nothing of ours, which may change."""
    if kind == "type" and type(thing).__name__ == "UtcDateTime":
        return "sa.DateTime(timezone=True)"
    return False


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Partitions come and go by the clock (services.partitions), not by migrations."""
    return not (kind == "table" and name and PARTITION.match(name))


def run_offline() -> None:
    """Write the SQL instead of running it: what the migration check reads."""
    context.configure(dialect_name="postgresql", literal_binds=True, target_metadata=db.metadata)
    with context.begin_transaction():
        context.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        context.run_migrations()


def run_online() -> None:
    with db.engine.connect() as connection:
        connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"set statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
            include_name=is_ours,
            compare_type=True,
            compare_server_default=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
