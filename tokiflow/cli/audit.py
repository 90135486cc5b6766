"""`tokiflow audit`: is the log of who did what still as it was written?"""

from __future__ import annotations

import sys

import click

from tokiflow.cli import instance
from tokiflow.errors import TokiflowError

SHOWN = 20


@click.group(name="audit")
def audit() -> None:
    """Look after the log of who did what."""


@audit.command()
@click.option("--org", metavar="SLUG", help="Only this organization.")
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def verify(org: str | None, data: str | None) -> None:
    """Check that no event was altered, removed or slipped in since it was written. Exit code 1 if one was."""
    with instance.opened(data):
        from tokiflow.queries import organizations

        slugs = [org] if org else organizations.slugs(most=1_000_000)
        broken = [slug for slug in slugs if not _holds(slug)]
    if broken:
        sys.exit(1)


def _holds(slug: str) -> bool:
    from tokiflow.queries import audit as queries
    from tokiflow.services import audit as services

    row = queries.chain_of(instance.organization(slug).id)
    if row is None:
        click.echo(f"{slug}: nothing was done here yet")
        return True
    try:
        found = list(queries.breaks(row, services.key_of(row)))
    except ValueError:
        raise TokiflowError(
            f"{slug}: the log can't be checked: SECRET_KEY is another than when it began. "
            "Give back the former one in TOKIFLOW_FORMER_SECRET_KEYS."
        ) from None
    older = f", after {row.before} from before the log was a chain" if row.before else ""
    gone = f"; {row.gone_n} older ones are gone with age" if row.gone_n else ""
    if not found:
        click.echo(f"{slug}: {row.n - row.gone_n} events hold{older}{gone}")
    for one in found[:SHOWN]:
        click.echo(f"{slug}: {one.kind}: {one.said}")
    if len(found) > SHOWN:
        click.echo(f"{slug}: and {len(found) - SHOWN} more")
    return not found
