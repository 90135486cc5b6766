"""Make the files that people asked for."""

from __future__ import annotations

from uuid import UUID

from flask import current_app

from tokiflow.services import exports, sender


def make(export_ids: list[str]) -> int:
    """Make those of these exports that are due and that nobody else is making; how many were finished right here.

    In a `tokiflow worker` that is a thread's work, which is only begun. Any other worker does it by itself.
    """
    wanted = [UUID(one) for one in export_ids]
    if sender.of(current_app) is None:
        return exports.make(wanted)
    exports.make_beside(current_app._get_current_object(), wanted)  # type: ignore[attr-defined]
    return 0
