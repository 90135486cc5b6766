"""For how long a monitor is paused."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo

from wtforms import RadioField, StringField

from tokiflow import errors
from tokiflow.web.forms.base import Form, choices

MORNING = time(9)
CHOICES = {
    "open": "Until I resume it",
    "1h": "For 1 hour",
    "8h": "For 8 hours",
    "tomorrow": "Until tomorrow 09:00",
    "date": "Until a date",
}


class PauseForm(Form):
    """A choice, and a date for the last of them, read in the viewer's zone."""

    choice = RadioField("For how long", choices=choices(CHOICES.items()), default="open", validate_choice=False)
    until = StringField("Date and time")

    def end(self, now: datetime, zone: tzinfo) -> datetime | None:
        """When judging begins again; None for not before somebody resumes. Raises Invalid."""
        if self.choice.data in ("1h", "8h"):
            return now + timedelta(hours=int(self.choice.data[0]))
        if self.choice.data == "tomorrow":
            return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), MORNING, zone)
        if self.choice.data == "open":
            return None
        if self.choice.data != "date":
            raise errors.Invalid({"choice": ["Choose one of these."]})
        return _read(self.until.data or "", zone)


def _read(text: str, zone: tzinfo) -> datetime:
    try:
        written = datetime.fromisoformat(text.strip())
        if not 2000 < written.year < 9000:
            raise ValueError
    except ValueError:
        raise errors.Invalid({"until": ["Write a date and a time, such as 2026-11-24 09:00."]}) from None
    return written.replace(tzinfo=zone) if written.tzinfo is None else written
