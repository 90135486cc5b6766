"""`tokiflow ping-key`: the key that pings by name begin with. The key alone goes to stdout."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from tokiflow.cli import instance
from tokiflow.errors import TokiflowError


@click.group(name="ping-key")
def ping_key() -> None:
    """Show or replace the key for pings by name."""


@ping_key.command()
@instance.options
def show(org: str | None, data: str | None) -> None:
    """Print the key."""
    with instance.opened(data):
        organization = instance.organization(org)
        if organization.ping_key is None:
            raise TokiflowError(f"{organization.name} has no ping key yet. Make one with: tokiflow ping-key rotate")
        click.echo(organization.ping_key)


@ping_key.command()
@instance.options
def rotate(org: str | None, data: str | None) -> None:
    """Make a new key and print it. The old one stops working at once."""
    with instance.opened(data):
        from tokiflow.services import organizations

        organization = instance.organization(org)
        name, had_one = organization.name, organization.ping_key is not None
        made = organizations.rotate_ping_key(organization.id, instance.operator(), datetime.now(UTC))
        old = " Jobs that ping with the old one are answered with 404." if had_one else ""
        click.echo(f"A new ping key for {name}.{old}", err=True)
        click.echo(made)
