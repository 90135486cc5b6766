"""Forms about passkeys, authenticator apps and codes."""

from __future__ import annotations

from wtforms import HiddenField, StringField

from tokiflow.web.forms.base import Form


class NewPasskey(Form):
    """What to call it, and what the browser answered (js/passkeys.js)."""

    name = StringField("Name")
    credential = HiddenField("Passkey")


class PasskeyName(Form):
    """What to call it from now on."""

    name = StringField("Name")


class PasskeyAnswer(Form):
    """What the browser signed with a passkey (js/passkeys.js), and where to go then."""

    credential = HiddenField("Passkey")
    next = HiddenField()


class FirstCode(Form):
    """What the app shows, once it has the secret."""

    code = StringField("Code")


class Code(Form):
    """One of the two."""

    code = StringField("Code from your authenticator app")
    recovery = StringField("Recovery code")
