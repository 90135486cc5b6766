"""Links that leave Tokiflow, in mails and messages, and come back to the right place."""

from __future__ import annotations

from uuid import UUID

from tokiflow.core import ids


def within(organization_id: UUID, path: str) -> str:
    """`path`, a page that shows another organization to somebody else, so that it opens in this one. A page about one
    thing needs nothing: the thing says where it belongs."""
    return f"{path}?organization={ids.public('org', organization_id)}"
