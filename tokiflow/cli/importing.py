"""`tokiflow import`: bring an exported organization into this Tokiflow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from tokiflow.cli import instance


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def restore(file: Path, data: str | None) -> None:
    """Make the organization that is in FILE, an export of another Tokiflow. All of it comes, or nothing."""
    with instance.opened(data):
        from tokiflow.services.importing import organization

        done = organization.restore(file, instance.operator(), datetime.now(UTC))
    counted = done.rows
    click.echo(
        f"{done.name} is here: {counted['monitors']} monitors, {counted['runs']} runs, {counted['pings']} pings, "
        f"{done.outputs} outputs, {counted['incidents']} incidents, {counted['audit_events']} audit events (they hold)."
    )
    click.echo(f"Members sign in with their address as before: {', '.join(done.members) or 'there are none'}")
    for name in done.channels:
        click.echo(f"Disabled until its secrets are written again: {name}")
