"""`tokiflow audit`: is the log of who did what still as it was written?"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from tokiflow.cli import instance
from tokiflow.core.chain import Break, End
from tokiflow.errors import TokiflowError

if TYPE_CHECKING:
    from tokiflow.models import AuditChain

SHOWN = 20


@click.group(name="audit")
def audit() -> None:
    """Look after the log of who did what."""


def _known(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> list[End]:
    """Heads as an earlier `verify` printed them."""
    found = [re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", one.strip()) for one in given]
    if not all(found):
        raise click.BadParameter("is no head; give one as `tokiflow audit verify` prints it: number, colon, hash")
    return [End(int(one[1]), one[2]) for one in found if one]


@audit.command()
@click.option("--org", metavar="SLUG", help="Only this organization.")
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
@click.option(
    "--expect", metavar="N:HASH", multiple=True, callback=_known,
    help="A head that was printed earlier, and kept elsewhere: the log must still contain it.",
)  # fmt: skip
def verify(org: str | None, data: str | None, expect: list[End]) -> None:
    """Check that no event was altered, removed or slipped in since it was written. Exit code 1 if one was."""
    with instance.opened(data):
        from tokiflow.queries import organizations

        if expect:
            org = instance.organization(org).slug
        slugs = [org] if org else organizations.slugs(most=1_000_000)
        broken = [slug for slug in slugs if not _holds(slug, expect)]
    if broken:
        sys.exit(1)


def _holds(slug: str, expect: list[End]) -> bool:
    from tokiflow.queries import audit_chains

    organization_id = instance.organization(slug).id
    row = audit_chains.get(organization_id)
    if row is None and audit_chains.has_links(organization_id):
        click.echo(f"{slug}: removed: There are events, and the chain that held them is gone")
        return False
    if row is None and not expect:
        click.echo(f"{slug}: nothing was done here yet")
        return True
    holds = row is None or _whole(slug, row)
    # All of them, also after one that is not there.
    return all([holds, *(_contained(slug, audit_chains.contains(organization_id, one), one) for one in expect)])


def _whole(slug: str, row: AuditChain) -> bool:
    from tokiflow.queries import audit_chains
    from tokiflow.services import audit as services
    from tokiflow.services import audit_walks

    try:
        key, ends = services.key_of(row), services.ends_hold(row)
    except ValueError:
        raise TokiflowError(
            f"{slug}: the log can't be checked: SECRET_KEY is another than when it began. "
            "Give back the former one in TOKIFLOW_FORMER_SECRET_KEYS."
        ) from None
    older = f", after {row.before} from before the log was a chain" if row.before else ""
    gone = f"; {row.gone_n} older ones are gone with age" if row.gone_n else ""
    counted, head = row.n - row.gone_n, f"{row.n}:{row.hash}"
    found = list(audit_chains.breaks(row.organization_id, key))
    if not ends:
        found.append(Break("removed", row.n, audit_walks.ENDS_MOVED))
    if not found:
        click.echo(f"{slug}: {counted} events hold{older}{gone}")
        click.echo(f"{slug}: head {head}")
    for one in found[:SHOWN]:
        click.echo(f"{slug}: {one.kind}: {one.said}")
    if len(found) > SHOWN:
        click.echo(f"{slug}: and {len(found) - SHOWN} more")
    return not found


def _contained(slug: str, found: bool | None, known: End) -> bool:
    if found:
        click.echo(f"{slug}: it contains event {known.n} as it was")
    elif found is None:
        click.echo(f"{slug}: event {known.n} is gone with age, so nothing can be said about it; keep a newer head")
    else:
        click.echo(f"{slug}: it does not contain event {known.n} as it was: the log was cut off, or begun anew")
    return bool(found)
