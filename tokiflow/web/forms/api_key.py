"""The forms of API keys: a new one, and one that takes the place of another."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from uuid import UUID

from wtforms import HiddenField, RadioField, SelectMultipleField, StringField, widgets

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.services.api_keys import OVERLAP_AT_MOST
from tokiflow.web.forms.base import Form, choices

SCOPES = {
    "read": ("Read", "See everything here: monitors, runs and their output, incidents, channels, alerts."),
    "write": ("Write", "Create, change and delete: monitors, channels, alerts; acknowledge and resolve incidents."),
    "ping": ("Ping", "Only ping. With this alone, a key can neither see nor change anything."),
}
LASTS = {"30": "30 days", "90": "90 days", "365": "1 year", "never": "No end", "date": "Until a date"}
OVERLAPS = {"0": "Not at all", "1": "1 hour", "24": "1 day", "168": "7 days", "720": "30 days", "time": "Until a time"}


class _Making(Form):
    """What both have: how long the new key works, and the id it gets, so that a form sent twice makes one key."""

    once = HiddenField()
    lasts = RadioField("The key works for", choices=choices(LASTS.items()), default="90", validate_choice=False)
    last_day = StringField("Last day")

    def key_id(self) -> UUID:
        """The id of the key this form makes. Raises Invalid for a form that is not whole."""
        try:
            return ids.parse("key", self.once.data or "")
        except errors.NotFound:
            raise errors.Invalid(
                {"": ["This form came without its number, so nothing was made. Send it again."]}
            ) from None

    def renew(self) -> None:
        """Give the form a number of its own, if it came without."""
        try:
            self.key_id()
        except errors.Invalid:
            self.once.data = ids.public("key", ids.new())

    def expires_at(self, now: datetime, zone: tzinfo) -> datetime | None:
        """When the key stops working; None for never. Raises Invalid."""
        chosen = self.lasts.data or ""
        if chosen == "never":
            return None
        if chosen == "date":
            return _end_of(self.last_day.data or "", now, zone)
        if chosen not in LASTS:
            raise errors.Invalid({"lasts": ["Choose one of these."]})
        return now + timedelta(days=int(chosen))

    def refuse(self, invalid: errors.Invalid) -> None:
        """Show what the service finds wrong beside the fields it is about."""
        called = {"expires_at": "last_day"}
        self.take(errors.Invalid({called.get(name, name): why for name, why in invalid.fields.items()}))


class ApiKeyForm(_Making):
    """Name, scopes, and how long it works."""

    name = StringField("Name")
    scopes = SelectMultipleField(
        "It may", choices=choices([(scope, words[0]) for scope, words in SCOPES.items()]), default=["read"],
        validate_choice=False, option_widget=widgets.CheckboxInput(), widget=widgets.ListWidget(prefix_label=False),
    )  # fmt: skip


class RotationForm(_Making):
    """How long the old key works beside the new one."""

    overlap = RadioField(
        "The old key goes on for", choices=choices(OVERLAPS.items()), default="168", validate_choice=False
    )
    until = StringField("Date and time")
    lasts = RadioField("The new key works for", choices=choices(LASTS.items()), default="90", validate_choice=False)

    def old_ends_at(self, now: datetime, zone: tzinfo) -> datetime:
        """When the old key stops working. Raises Invalid."""
        chosen = self.overlap.data or ""
        if chosen == "time":
            return _moment(self.until.data or "", now, zone)
        if chosen not in OVERLAPS:
            raise errors.Invalid({"overlap": ["Choose one of these."]})
        return now + timedelta(hours=int(chosen))


def _end_of(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The midnight that ends this day in the zone."""
    try:
        day = date.fromisoformat(text.strip())
        if day.year > 8999:
            raise ValueError
    except ValueError:
        raise errors.Invalid({"last_day": [f"Write a day, such as {now.astimezone(zone):%Y}-12-31."]}) from None
    if day < now.astimezone(zone).date():
        raise errors.Invalid({"last_day": ["This day has passed. Choose today or a later one."]})
    return datetime.combine(day + timedelta(days=1), time(), zone)


def _moment(text: str, now: datetime, zone: tzinfo) -> datetime:
    latest = (now + OVERLAP_AT_MOST).astimezone(zone)
    try:
        at = datetime.fromisoformat(text.strip())
        if not 2000 < at.year < 9000:
            raise ValueError
    except ValueError:
        raise errors.Invalid({"until": [f"Write a date and a time, such as {latest:%Y-%m-%d} 09:00."]}) from None
    at = at.replace(tzinfo=zone) if at.tzinfo is None else at
    if at <= now:
        raise errors.Invalid({"until": ["This has passed. Choose a later time, or let the old key end at once."]})
    return at
