"""What people write about an incident."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo

from wtforms import BooleanField, DateTimeLocalField, SelectField, StringField, TextAreaField

from tokiflow import errors
from tokiflow.web.forms.base import Form, VersionedForm, choices

MORNING = time(9)
CHOICES = {
    "1h": "1 hour",
    "8h": "8 hours",
    "tomorrow": "Until tomorrow 09:00",
    "date": "Mute until then",
}


class MuteForm(Form):
    """For how long, by one press; or until a date and time, read in the viewer's zone."""

    choice = SelectField("How long", choices=choices(CHOICES.items()))
    until = DateTimeLocalField("Date and time", format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"])

    def end(self, now: datetime, zone: tzinfo) -> datetime:
        """When the mute ends. Raises Invalid for a choice that is none, or a date that can't be read."""
        if self.choice.data in ("1h", "8h"):
            return now + timedelta(hours=int(self.choice.data[0]))
        if self.choice.data == "tomorrow":
            tomorrow = now.astimezone(zone).date() + timedelta(days=1)
            return datetime.combine(tomorrow, MORNING, zone)
        written: datetime | None = self.until.data
        if self.choice.data != "date" or written is None or not 2000 < written.year < 9000:
            self.until.errors = []
            raise errors.Invalid({"until": ["Write a date and a time, like 24 Nov 2026, 09:00."]})
        return written.replace(tzinfo=zone)


class CommentForm(Form):
    """Words for the timeline."""

    text = TextAreaField("Comment")


class PresetForm(VersionedForm):
    """A name for the filters at hand, and who may use them."""

    name = StringField("Name")
    shared = BooleanField("Share it with everybody here")
    default = BooleanField("Open it first whenever I come to the incidents")
