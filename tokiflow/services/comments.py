"""What people wrote about an incident, changed or taken back by whoever wrote it. That it was stays to be seen."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from tokiflow import errors
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import blank, clean
from tokiflow.db import db, transaction
from tokiflow.models import Incident, IncidentEvent
from tokiflow.services import audit

LONGEST = 10_000
GONE = "This comment was deleted meanwhile."


def checked(text: str) -> str:
    """`text` as it is kept. Raises Invalid for none or far too many."""
    text = clean(text).strip()
    if blank(text):
        raise errors.Invalid({"text": ["is empty; write what you found or did"]})
    if len(text) > LONGEST:
        raise errors.Invalid({"text": [f"is longer than {LONGEST:,} characters; shorten it"]})
    return text


def edit(comment_id: UUID, text: str, by: Actor, now: datetime) -> None:
    """Other words in place of those of `by`; the timeline tells when they were changed. The same again does nothing.

    Raises NotFound for words of others and those deleted, Invalid as `checked`.
    """
    text = checked(text)
    with transaction():
        row, incident = _own(comment_id, by)
        if row.text == text:
            return
        row.text, row.detail = text, {**row.detail, "edited_at": now.isoformat()}
        _audit("incident.comment_edited", incident, by, now)


def delete(comment_id: UUID, by: Actor, now: datetime) -> None:
    """Take back what `by` wrote: the words are gone for good, the timeline tells that there were some.

    Raises NotFound for words of others and those deleted.
    """
    with transaction():
        row, incident = _own(comment_id, by)
        row.text, row.detail = "", {"deleted_at": now.isoformat()}
        _audit("incident.comment_deleted", incident, by, now)


def _own(comment_id: UUID, by: Actor) -> tuple[IncidentEvent, Incident]:
    statement = select(IncidentEvent, Incident).join(Incident, Incident.id == IncidentEvent.incident_id)
    statement = statement.where(IncidentEvent.id == comment_id, IncidentEvent.what == "commented")
    statement = statement.where(IncidentEvent.user_id == by.id, IncidentEvent.text != "")
    locked = statement.with_for_update(of=IncidentEvent).execution_options(populate_existing=True)
    found = db.session.execute(locked).one_or_none()
    if found is None:
        raise errors.NotFound(GONE)
    return found[0], found[1]


def _audit(what: str, incident: Incident, by: Actor, now: datetime) -> None:
    """Without the words: they may have been changed because they held too much."""
    audit.record(what, by, incident.organization_id, now, object_id=incident.id, object_name=incident.summary)
