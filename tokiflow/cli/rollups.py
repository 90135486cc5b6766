"""`tokiflow rollups`: the counts behind the charts, made anew from the runs."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import click

from tokiflow.cli import instance


@click.group(name="rollups")
def rollups() -> None:
    """Look after the counts behind the charts."""


def _day(context: click.Context, parameter: click.Parameter, given: str | None) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(given), time(), UTC) if given else None
    except ValueError:
        raise click.BadParameter("is no day; write one like 2026-11-20") from None


@rollups.command()
@click.option("--since", metavar="DAY", callback=_day, help="From this day (UTC) on; else from the oldest run kept.")
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def recompute(since: datetime | None, data: str | None) -> None:
    """Count all runs that are kept anew. Days whose runs are gone stay as they are."""
    with instance.opened(data):
        from tokiflow.services import rollups as services

        days = 0
        for day, monitors in services.recompute(since, datetime.now(UTC)):
            click.echo(f"{day:%Y-%m-%d}: {monitors} monitor{'s' if monitors != 1 else ''}")
            days += 1
    click.echo(f"{days} day{'s' if days != 1 else ''} counted anew" if days else "there are no runs to count")
