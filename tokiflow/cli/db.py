"""`tokiflow db`: bring the database's tables to this version, and say whether they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import Flask

from tokiflow.cli import instance
from tokiflow.errors import TokiflowError

MIGRATIONS = Path(__file__).parents[2] / "migrations"
LOCK = 0x746F6B69666C6F77
"""The number of our advisory lock: "tokiflow" in ASCII."""


@click.group(name="db")
def database() -> None:
    """Look after the database."""


@database.command(name="migrate")
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def migrate_command(data: str | None) -> None:
    """Bring the tables to this version. Several may call it at once; they take turns."""
    before, after = migrate(create_app(data))
    click.echo(
        f"The database is at version {after}" + (" already" if before == after else f" (was {before or 'empty'})")
    )


@database.command(name="check")
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def check_command(data: str | None) -> None:
    """Exit with 1 and say why unless the tables are at this version."""
    app = create_app(data)
    found, wanted = current(app), head()
    if found != wanted:
        raise TokiflowError(f"The database is at version {found or 'none'}, this is {wanted}; run: tokiflow db migrate")
    click.echo(f"The database is at version {found}")


def create_app(data: str | None = None) -> Flask:
    """The app of the instance the settings lead to, with its migrations. Raises TokiflowError for bad settings."""
    return with_migrations(instance.app_on(data))


def with_migrations(app: Flask) -> Flask:
    """`app`, which now knows its migrations. Others have no use for them, and Alembic would cost each process 9 MB."""
    import flask_migrate

    from tokiflow.db import db

    flask_migrate.Migrate(app, db, directory=str(MIGRATIONS), compare_type=True)
    return app


def migrate(app: Flask) -> tuple[str | None, str]:
    """Run every migration that is missing, and make the partitions of the days to come; (version before, after).

    Waits for another one that does so.
    """
    import flask_migrate

    from tokiflow.services import partitions

    with app.app_context(), _turn():
        before, wanted = current(app), head()
        if before != wanted:
            flask_migrate.upgrade()
        partitions.ensure(datetime.now(UTC))
    return before, wanted


def current(app: Flask) -> str | None:
    """The version of the tables; None for an empty database."""
    from alembic.runtime.migration import MigrationContext

    from tokiflow.db import db

    with app.app_context(), db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The version this code wants. Raises TokiflowError unless there is exactly one."""
    from alembic.script import ScriptDirectory

    heads = ScriptDirectory(str(MIGRATIONS)).get_heads()
    if len(heads) != 1:
        raise TokiflowError(f"There must be one newest migration; there are {len(heads)}: {', '.join(heads) or 'none'}")
    return heads[0]


@contextmanager
def _turn() -> Iterator[None]:
    """Hold the advisory lock, on a connection of its own: migrations open and close theirs."""
    from sqlalchemy import text

    from tokiflow.db import db

    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # The usual lock time-out of the app is for requests; here we wait for the other release to finish.
        connection.execute(text("set lock_timeout = 0"))
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.execute(text("reset lock_timeout"))
