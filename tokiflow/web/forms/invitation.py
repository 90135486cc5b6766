"""The form to invite people."""

from __future__ import annotations

from wtforms import RadioField, TextAreaField

from tokiflow.core import mail_addresses
from tokiflow.core.mail_addresses import Pasted
from tokiflow.web.forms.base import Form


class Invite(Form):
    """Addresses as somebody pasted them, and the role they are to have."""

    addresses = TextAreaField("E-mail addresses")
    role = RadioField("Role", default="member", validate_choice=False)

    def wanted(self) -> Pasted:
        """What the addresses say."""
        return mail_addresses.pasted((self.addresses.data or "").replace("\x00", ""))
