"""`python -m tests.migrations_check`: do migrations and models say the same, and is the SQL safe on a live table?

Runs all migrations on an empty embedded database, compares the result with the models, and lets squawk read the SQL.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import flask_migrate
from alembic.util import CommandError
from flask import Flask

from tests.fixtures.servers import Session
from tokiflow import settings
from tokiflow.bare import create_bare_app
from tokiflow.cli import db as database

ROOT = Path(__file__).parents[1]
NOT_FOR_US = (
    # env.py sets both time-outs for every migration, so the files need not.
    "require-timeout-settings",
    # Alembic runs each file in a transaction; what may not be in one says autocommit_block.
    "prefer-robust-stmts",
    # Lengths are limits that people meet (a name of 200 characters), and are told so.
    "prefer-text-field",
    # A count that outgrows four bytes would be a different product.
    "prefer-bigint-over-int",
    "prefer-identity",
)


def main() -> int:
    """Exit code 0 when all is well; else what is wrong is on the screen."""
    session = Session()
    try:
        servers = session.start()
        app = database.with_migrations(create_bare_app(settings.load(servers.environment(servers.template))))
        database.head()
        return _models_agree(app) or _sql_is_safe(app)
    finally:
        session.stop()


def _models_agree(app: Flask) -> int:
    try:
        with app.app_context(), contextlib.redirect_stdout(io.StringIO()):
            flask_migrate.check()
    except (CommandError, SystemExit) as error:
        print(f"Models and migrations differ, write a migration: {error}", file=sys.stderr)
        return 1
    return 0


def _sql_is_safe(app: Flask) -> int:
    sql = io.StringIO()
    with app.app_context(), contextlib.redirect_stdout(sql):
        flask_migrate.upgrade(sql=True)
    squawk = [str(Path(sys.executable).with_name("squawk")), "--pg-version", "15"]
    squawk += [f"--exclude={','.join(NOT_FOR_US)}", "--stdin-filepath", "migrations.sql"]
    found = subprocess.run(squawk, input=sql.getvalue(), text=True, cwd=ROOT, check=False)
    return found.returncode


if __name__ == "__main__":
    sys.exit(main())
