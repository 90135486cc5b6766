"""Forms on the way in."""

from __future__ import annotations

from wtforms import EmailField, HiddenField

from tokiflow.web.forms.base import Form


class AskForLink(Form):
    """Where to send the link, and where to go after it."""

    email = EmailField("E-mail address")
    next = HiddenField()


class Confirm(Form):
    """Yes, sign me in. The zone is filled in by the browser where it can be."""

    timezone = HiddenField()
