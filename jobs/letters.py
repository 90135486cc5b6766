"""Mail letters."""

from __future__ import annotations

from uuid import UUID

from flask import current_app

from tokiflow import outside
from tokiflow.services import mailing


def mail(letter_ids: list[str]) -> int:
    """Mail those of these letters that are due and that nobody else is mailing; how many were tried."""
    return mailing.mail([UUID(one) for one in letter_ids], outside.of(current_app))
