"""How a command finds the instance that `tokiflow up` runs on this machine, and an organization in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from tokiflow.errors import Invalid, TokiflowError
from tokiflow.local.folder import DataFolder, default

if TYPE_CHECKING:
    from flask import Flask

    from tokiflow.core.actors import Actor
    from tokiflow.models import Organization

Command = TypeVar("Command", bound=Callable[..., object])


def options(command: Command) -> Command:
    """`--org` and `--data`, for a command about an organization."""
    command = click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")(command)
    return click.option("--org", metavar="SLUG", help="The organization, where there are several.")(command)


def load_environment(data: str | None) -> None:
    """Put the settings of the instance that works in `data` into os.environ.

    An explicit `data` always wins. Without it, DATABASE_URL in the environment means that everything is said already;
    else the folder is TOKIFLOW_DATA or the default one. Raises TokiflowError, saying what to do, when none runs there.
    """
    if not data and os.environ.get("DATABASE_URL"):
        return
    chosen = data or os.environ.get("TOKIFLOW_DATA") or str(default())
    folder = DataFolder(Path(chosen))
    if not folder.is_running() or not folder.instance.is_file():
        raise TokiflowError(
            f"Tokiflow is not running on the data in {folder.path}. Start it with: tokiflow up --data {folder.path} "
            "(or name other data with --data, or a database with DATABASE_URL)"
        )
    try:
        lines = folder.instance.read_text(encoding="utf-8").splitlines()
    except PermissionError:
        raise TokiflowError(f"Only the account that runs Tokiflow may do this; it owns {folder.instance}") from None
    for line in lines:
        name, _, value = line.partition("=")
        os.environ[name] = value


def app_on(data: str | None) -> Flask:
    """The bare app of the instance the settings lead to. Raises TokiflowError naming every mistake in them."""
    from tokiflow import settings
    from tokiflow.bare import create_bare_app

    load_environment(data)
    try:
        return create_bare_app()
    except settings.SettingsError as error:
        raise TokiflowError(str(error)) from None


@contextmanager
def opened(data: str | None) -> Iterator[None]:
    """An app context of the instance the settings lead to. Mistakes of fields become one sentence."""
    from tokiflow.db import db

    with app_on(data).app_context():
        try:
            yield
        except Invalid as invalid:
            said = "; ".join(f"--{name} {mistake}" for name, why in invalid.fields.items() for mistake in why)
            raise TokiflowError(said) from None
        finally:
            db.session.remove()
            db.engine.dispose()


def organization(slug: str | None) -> Organization:
    """The organization called `slug`, or the only one. Raises TokiflowError naming those there are."""
    from tokiflow.queries import organizations

    found = organizations.by_slug(slug)
    if found is None and slug is None and not organizations.slugs(1):
        _make_first()
        found = organizations.by_slug(None)
    if found is not None:
        return found
    there = ", ".join(organizations.slugs())
    if slug:
        raise TokiflowError(f"There is no organization {slug!r}. There are: {there or 'none yet'}")
    if not there:
        raise TokiflowError("There is no organization yet. Sign in once; the first one is made for you then")
    raise TokiflowError(f"There are several organizations; choose one with --org: {there}")


def _make_first() -> None:
    """Nobody has opened the pages yet. On this machine, in development, make what opening them would make."""
    from flask import current_app

    from tokiflow.services import people

    if current_app.extensions["tokiflow.settings"].environment == "development":
        people.local(datetime.now(UTC))


def operator() -> Actor:
    """Whoever sits at the command line, as the audit log names them."""
    from tokiflow.core.actors import Actor

    return Actor("system", "an operator at the command line")
