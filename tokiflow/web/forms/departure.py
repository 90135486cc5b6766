"""The form of somebody who goes."""

from __future__ import annotations

from wtforms import StringField

from tokiflow.web.forms.base import Form


class Departure(Form):
    """Their address, typed by themselves."""

    typed = StringField("Your address")
