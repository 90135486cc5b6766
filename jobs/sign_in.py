"""Mail sign-in links."""

from __future__ import annotations

from uuid import UUID

from flask import current_app

from tokiflow import outside
from tokiflow.services import sign_in_letters


def mail(link_ids: list[str]) -> int:
    """Mail those of these links that nobody else has mailed or is mailing; how many were tried."""
    return sign_in_letters.mail([UUID(one) for one in link_ids], outside.of(current_app))
