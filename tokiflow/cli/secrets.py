"""`tokiflow secrets`: after SECRET_KEY was exchanged, what lies sealed under the former one."""

from __future__ import annotations

import sys

import click

from tokiflow.cli import instance


@click.group(name="secrets")
def secrets() -> None:
    """Look after what lies sealed in the database."""


@secrets.command()
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def rotate(data: str | None) -> None:
    """Seal with SECRET_KEY what lies sealed under one of TOKIFLOW_FORMER_SECRET_KEYS. Exit code 1 if some can't be
    read. It may be stopped and run again, while Tokiflow runs."""
    with instance.opened(data):
        from tokiflow.services import secret_keys

        done = secret_keys.reseal()
    for one in done:
        lost = f", {one.lost} that no key opens" if one.lost else ""
        click.echo(f"{one.what}: {one.anew} sealed anew, {one.already} were already{lost}")
    if any(one.lost for one in done):
        click.echo("Name the key they were sealed with in TOKIFLOW_FORMER_SECRET_KEYS and run this again.", err=True)
        sys.exit(1)
    click.echo("Everything is sealed with SECRET_KEY. Links in mails may need the former keys for 7 days more.")
