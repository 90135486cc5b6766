"""The form of one's own profile."""

from __future__ import annotations

from wtforms import StringField

from tokiflow.web.forms.base import Form


class Profile(Form):
    """How one is called, and in which zone one reads times."""

    name = StringField("Name")
    timezone = StringField("Time zone")
