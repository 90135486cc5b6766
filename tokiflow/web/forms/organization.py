"""The forms about an organization as a whole."""

from __future__ import annotations

from wtforms import StringField

from tokiflow.web.forms.base import Form


class OrganizationName(Form):
    """What it is called."""

    name = StringField("Name")


class Deletion(Form):
    """The name of what is to go, typed by somebody who means it."""

    typed = StringField("Name of the organization")


class HandOver(Form):
    """Whose it is to be, by the address of a member, and its name."""

    to = StringField("E-mail address of the new owner")
    typed = StringField("Name of the organization")
