"""`tokiflow api-key`: keys for programs, made, replaced, listed and revoked. The key alone goes to stdout."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from tokiflow.cli import instance
from tokiflow.errors import TokiflowError

if TYPE_CHECKING:
    from tokiflow.models import ApiKey


@click.group(name="api-key")
def api_key() -> None:
    """Make, replace, list and revoke API keys."""


@api_key.command()
@click.option("--name", required=True, help="What the key is for, like ci.")
@click.option("--scopes", default="read,write", show_default=True, help="Some of read, write and ping, with commas.")
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="When it ends. Never, if left out.")
@instance.options
def create(name: str, scopes: str, expires_in_days: int | None, org: str | None, data: str | None) -> None:
    """Make a key and print it, this once."""
    with instance.opened(data):
        from tokiflow.services import api_keys

        organization, now = instance.organization(org), datetime.now(UTC)
        wanted = [scope for scope in scopes.replace(",", " ").split() if scope]
        until = now + timedelta(days=expires_in_days) if expires_in_days else None
        made = api_keys.create(organization.id, name, wanted, instance.operator(), now, until)
        click.echo(f"A key for {organization.name} ({', '.join(wanted)}). Keep it: it is not shown again.", err=True)
        click.echo(made.text)


@api_key.command()
@click.argument("prefix")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, 720),
    default=168,
    show_default=True,
    help="So long the old key goes on beside the new one.",
)
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="When the new one ends. Never, if left out.")
@instance.options
def rotate(prefix: str, overlap_hours: int, expires_in_days: int | None, org: str | None, data: str | None) -> None:
    """Make a key in the place of the one that shows as PREFIX, and print it, this once."""
    with instance.opened(data):
        from tokiflow.services import api_keys

        old, now = _found(org, prefix), datetime.now(UTC)
        until = now + timedelta(hours=overlap_hours)
        expires_at = now + timedelta(days=expires_in_days) if expires_in_days else None
        shown, name = old.prefix, old.name
        made = api_keys.rotate(old.id, until, instance.operator(), now, expires_at)
        ends = f"goes on until {until:%Y-%m-%d %H:%M} UTC at the latest" if overlap_hours else "is over"
        click.echo(f"A new key {name}; {shown} {ends}. Keep it: it is not shown again.", err=True)
        click.echo(made.text)


@api_key.command(name="list")
@instance.options
def show_all(org: str | None, data: str | None) -> None:
    """List the keys, newest first: prefix, name, scopes, state."""
    with instance.opened(data):
        from tokiflow.queries import api_keys

        organization = instance.organization(org)
        for key in api_keys.of_organization(organization.id):
            used = f"last used {key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never used"
            click.echo(
                "\t".join([key.prefix, key.name, ",".join(key.scopes), _state(key.revoked_at, key.expires_at), used])
            )


@api_key.command()
@click.argument("prefix")
@instance.options
def revoke(prefix: str, org: str | None, data: str | None) -> None:
    """End the key that shows as PREFIX (tfk_… up to the second underscore), at once."""
    with instance.opened(data):
        from tokiflow.services import api_keys

        found = _found(org, prefix)
        said = f"{found.prefix} ({found.name}) is revoked."
        api_keys.revoke(found.id, instance.operator(), datetime.now(UTC))
        click.echo(said, err=True)


def _found(org: str | None, prefix: str) -> ApiKey:
    """The key of this prefix. Raises TokiflowError."""
    from tokiflow.queries import api_keys

    # Whoever pastes the whole key means its prefix.
    shown = "_".join(prefix.split("_")[:2])
    found = api_keys.by_prefix(instance.organization(org).id, shown)
    if found is None:
        raise TokiflowError(f"There is no key {shown} here; see: tokiflow api-key list")
    return found


def _state(revoked_at: datetime | None, expires_at: datetime | None) -> str:
    if revoked_at is not None:
        return f"revoked {revoked_at:%Y-%m-%d}"
    if expires_at is None:
        return "valid"
    return f"{'expired' if expires_at <= datetime.now(UTC) else 'valid until'} {expires_at:%Y-%m-%d}"
