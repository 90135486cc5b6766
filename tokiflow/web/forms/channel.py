"""What every kind of channel asks for: a name; and the version that was edited, so that nobody overwrites unseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flask import current_app
from wtforms import HiddenField, StringField

from tokiflow import channels, errors
from tokiflow.core import addresses
from tokiflow.models import Channel
from tokiflow.settings import Settings
from tokiflow.web.forms.base import Form


class ChannelForm(Form):
    """The parent of the forms of each kind. A kind adds its fields, and says how they become a config and back."""

    kind: ClassVar[str]

    name = StringField("Name")
    version = HiddenField()

    def config(self) -> dict[str, Any]:
        """What was written, as the kind's `validate` takes it. Secrets left empty are left out: they are kept."""
        raise NotImplementedError

    @classmethod
    def values(cls, public: Mapping[str, Any]) -> dict[str, Any]:
        """What the fields say for a channel whose config reads `public`, its secrets being "set"."""
        raise NotImplementedError

    @classmethod
    def of(cls, channel: Channel) -> ChannelForm:
        """The form for editing `channel`; on a POST it holds what was written."""
        public = channels.get(channel.kind).public(channel.config)
        return cls(name=channel.name, version=str(channel.version), **cls.values(public))

    def edited_version(self) -> int:
        """The version of the channel when the form was opened. Raises Malformed if it was tampered with."""
        written = str(self.version.data or "")
        if not (written.isascii() and written.isdigit() and len(written) < 10):
            raise errors.Malformed("This form is broken. Open it again.")
        return int(written)

    def read(self) -> dict[str, Any]:
        """`name` and `config` as the service takes them. Raises Invalid for what can be seen here already: an address
        that alerts may not go to and that tells so itself (no name is looked up), and what `config` can't make out."""
        mistakes: dict[str, list[str]] = {}
        config: dict[str, Any] = {}
        address = self._fields.get("url")
        if address is not None and (why := _off_limits(str(address.data or ""))):
            mistakes["config.url"] = [why]
        try:
            config = self.config()
        except errors.Invalid as invalid:
            mistakes |= invalid.fields
        if mistakes and not (self.name.data or "").strip():
            mistakes["name"] = ["is missing; write what people call this channel, like #ops"]
        if mistakes:
            raise errors.Invalid(mistakes)
        return {"name": self.name.data, "config": config}


def _off_limits(url: str) -> str:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    try:
        host = (urlsplit(url.strip()).hostname or "").rstrip(".")
        address = ip_address("127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host)
    except ValueError:
        return ""
    if addresses.reachable(address, settings.outbound_allow):
        return ""
    return (
        f"The address {host} is private, and alerts only go to public ones. Whoever operates this Tokiflow can allow "
        f"it by starting it with TOKIFLOW_OUTBOUND_ALLOW={address}/{address.max_prefixlen}"
    )


def lines(text: str | None) -> Iterable[str]:
    """The lines of `text` that say something."""
    return [line.strip() for line in (text or "").splitlines() if line.strip()]
