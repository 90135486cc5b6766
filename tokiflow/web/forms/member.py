"""The forms about one member."""

from __future__ import annotations

from collections.abc import Iterable

from wtforms import BooleanField, RadioField

from tokiflow.core.roles import Role
from tokiflow.web.forms.base import Form, choices


class RoleForm(Form):
    """Which role they are to have."""

    role = RadioField("Role", validate_choice=False)

    def offer(self, roles: Iterable[Role]) -> None:
        """Let one of these be chosen."""
        self.role.choices = choices((str(role), role.capitalize()) for role in Role if role in set(roles))


class Removal(Form):
    """What else is to go with them."""

    revoke_keys = BooleanField("Revoke these keys too")
