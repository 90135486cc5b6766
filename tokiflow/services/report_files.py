"""Reports as files, for whoever asks: a small CSV at once, others in the background."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tokiflow.core.actors import Actor
from tokiflow.core.stretches import Stretch
from tokiflow.queries import reports
from tokiflow.services import exports
from tokiflow.services.exporting import report

SMALL = 500
"""A CSV of up to so many monitors is made at once."""


def ask(organization_id: UUID, stretch: Stretch, tag: str, form: str, by: Actor, now: datetime) -> tuple[UUID, bool]:
    """Promise the file, one of `report.FORMATS`: the id of the export, and whether it is there already.

    Raises Conflict as exports.ask does. What does not work at once is tried again in the background.
    """
    small = form == "csv" and reports.count(organization_id, tag) <= SMALL
    made = exports.ask("report", by, organization_id, report.wanted(stretch, tag, form), now, at_once=small)
    return made, small and exports.make([made]) == 1
