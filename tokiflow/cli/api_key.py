"""`tokiflow api-key`: keys for programs, made, listed and revoked. The key alone goes to stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import click

from tokiflow.cli.instance import load_environment
from tokiflow.errors import Invalid, TokiflowError

if TYPE_CHECKING:
    from tokiflow.core.actors import Actor
    from tokiflow.models import Organization

Command = TypeVar("Command", bound=Callable[..., object])


@click.group(name="api-key")
def api_key() -> None:
    """Make, list and revoke API keys."""


def _instance_options(command: Command) -> Command:
    command = click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")(command)
    return click.option("--org", metavar="SLUG", help="The organization, where there are several.")(command)


@api_key.command()
@click.option("--name", required=True, help="What the key is for, like ci.")
@click.option("--scopes", default="read,write", show_default=True, help="Some of read, write and ping, with commas.")
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="When it ends. Never, if left out.")
@_instance_options
def create(name: str, scopes: str, expires_in_days: int | None, org: str | None, data: str | None) -> None:
    """Make a key and print it, this once."""
    with _instance(data):
        from tokiflow.services import api_keys

        organization, now = _organization(org), datetime.now(UTC)
        wanted = [scope for scope in scopes.replace(",", " ").split() if scope]
        until = now + timedelta(days=expires_in_days) if expires_in_days else None
        made = api_keys.create(organization.id, name, wanted, _operator(), now, until)
        click.echo(f"A key for {organization.name} ({', '.join(wanted)}). Keep it: it is not shown again.", err=True)
        click.echo(made.text)


@api_key.command(name="list")
@_instance_options
def show_all(org: str | None, data: str | None) -> None:
    """List the keys, newest first: prefix, name, scopes, state."""
    with _instance(data):
        from tokiflow.queries import api_keys

        organization = _organization(org)
        for key in api_keys.of_organization(organization.id):
            used = f"last used {key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never used"
            click.echo(
                "\t".join([key.prefix, key.name, ",".join(key.scopes), _state(key.revoked_at, key.expires_at), used])
            )


@api_key.command()
@click.argument("prefix")
@_instance_options
def revoke(prefix: str, org: str | None, data: str | None) -> None:
    """End the key that shows as PREFIX (tfk_… up to the second underscore), at once."""
    with _instance(data):
        from tokiflow.queries import api_keys as queries
        from tokiflow.services import api_keys

        # Whoever pastes the whole key means its prefix.
        shown = "_".join(prefix.split("_")[:2])
        found = queries.by_prefix(_organization(org).id, shown)
        if found is None:
            raise TokiflowError(f"There is no key {shown} here; see: tokiflow api-key list")
        api_keys.revoke(found.id, _operator(), datetime.now(UTC))
        click.echo(f"{shown} ({found.name}) is revoked.", err=True)


@contextmanager
def _instance(data: str | None) -> Iterator[None]:
    """An app context of the instance the settings lead to. Mistakes of fields become one sentence."""
    from tokiflow import settings
    from tokiflow.app import create_app

    load_environment(data)
    try:
        app = create_app()
    except settings.SettingsError as error:
        raise TokiflowError(str(error)) from None
    with app.app_context():
        try:
            yield
        except Invalid as invalid:
            said = "; ".join(f"--{name} {mistake}" for name, why in invalid.fields.items() for mistake in why)
            raise TokiflowError(said) from None


def _organization(slug: str | None) -> Organization:
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


def _operator() -> Actor:
    from tokiflow.core.actors import Actor

    return Actor("system", "an operator at the command line")


def _state(revoked_at: datetime | None, expires_at: datetime | None) -> str:
    if revoked_at is not None:
        return f"revoked {revoked_at:%Y-%m-%d}"
    if expires_at is None:
        return "valid"
    return f"{'expired' if expires_at <= datetime.now(UTC) else 'valid until'} {expires_at:%Y-%m-%d}"
