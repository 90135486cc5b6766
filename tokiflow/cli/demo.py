"""`tokiflow demo`: a month of believable history, and jobs that go on."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import structlog

from tokiflow.cli import instance
from tokiflow.errors import TokiflowError

if TYPE_CHECKING:
    from flask import Flask

BEAT_SECONDS = 1.0
TROUBLE_SECONDS = 5.0

log = structlog.get_logger()


@click.command()
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
@click.option("--keep-alive", is_flag=True, help="Let the demo’s jobs run on until told to stop.")
def demo(data: str | None, keep_alive: bool) -> None:
    """Fill the first organization with a month of history. Again does nothing."""
    app = instance.app_on(data)
    if app.extensions["tokiflow.settings"].production:
        raise TokiflowError("A demo invents history, so there is none in production; leave --demo out")
    if keep_alive:
        _keep_alive(app)
    else:
        with app.app_context():
            _fill()


def _fill() -> None:
    from tokiflow.local.demo import fill, history
    from tokiflow.services import partitions

    now = datetime.now(UTC)
    partitions.ensure(now, days_back=history.LENGTH.days + 1)
    filled = fill(now, say=lambda text: click.echo(f"{text}…"))
    if not filled.new:
        click.echo(f"{filled.organization} has the demo already ({filled.monitors} monitors); nothing was changed.")
        return
    click.echo(
        f"{filled.organization} has {filled.monitors} monitors now, "
        f"with {filled.runs:,} runs and {filled.incidents} incidents of the last 30 days."
    )


def _keep_alive(app: Flask) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    from tokiflow.local.demo import beat

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pause = 0.0
    while not stop.wait(pause):
        try:
            with app.app_context():
                beat(datetime.now(UTC))
            pause = BEAT_SECONDS
        except SQLAlchemyError as error:
            log.warning("demo_waits_for_database", error=type(error).__name__)
            pause = TROUBLE_SECONDS
