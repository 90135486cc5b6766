"""`tokiflow baselines`: what is normal for each monitor, learnt anew from its runs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from tokiflow.cli import instance


@click.group()
def baselines() -> None:
    """Look after what is known to be usual."""


@baselines.command()
@click.option("--monitor", metavar="ID", help="Only this monitor, such as mon_01jd6m3v9kf8r2t5w8x1y4z7a0.")
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def rebuild(monitor: str | None, data: str | None) -> None:
    """Learn anew from the runs that are kept. Nobody is told; what people called no problem stays so."""
    with instance.opened(data):
        from tokiflow.core import ids
        from tokiflow.queries import monitors
        from tokiflow.services import judging

        monitor_id = monitors.get(ids.parse("mon", monitor)).id if monitor else None
        runs = judging.rebuild(monitor_id, datetime.now(UTC))
        click.echo(f"Learnt from {runs:,} {'run' if runs == 1 else 'runs'}")
