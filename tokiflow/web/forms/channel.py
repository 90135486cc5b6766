"""The form of a channel, drawn from the fields of its kind: a new kind needs no form of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flask import current_app
from wtforms import BooleanField, RadioField, SelectField, StringField, TextAreaField

from tokiflow import channels, errors
from tokiflow.channels import ChannelKind
from tokiflow.channels.fields import Field
from tokiflow.core import addresses, durations, grouping
from tokiflow.models import Channel
from tokiflow.settings import Settings
from tokiflow.web.forms.base import VersionedForm, choices, lines

NONE = "no_"
"""Before the name of a secret: the tick that says there shall be none."""


class ChannelForm(VersionedForm):
    """A name, the fields of the kind, what becomes of many messages at once, and the version that was edited, so that
    nobody overwrites unseen."""

    kind: ClassVar[ChannelKind]
    suggested: Mapping[str, list[tuple[str, str]]] = MappingProxyType({})
    requests: Sequence[Any] = ()
    """What it would send, when that was asked for."""

    name = StringField("Name")
    many = RadioField(
        "When much goes wrong at once",
        choices=choices([("together", "One message that lists it all"), ("each", "Each on its own")]),
        validate_choice=False,
    )
    group_after = StringField("The first ones come alone")
    group_window_seconds = StringField("Within")
    rate_per_hour = StringField("At most, in an hour")

    @classmethod
    def new(cls) -> ChannelForm:
        """An empty form, but for what the kind suggests."""
        usual = grouping.usual(cls.kind.for_people)
        suggested = {one.name: one.suggest() for one in cls.kind.fields if one.suggest}
        return cls(**_many(usual.after, round(usual.window.total_seconds()), usual.per_hour), **suggested)

    @classmethod
    def of(cls, channel: Channel) -> ChannelForm:
        """The form for editing `channel`; on a POST it holds what was written."""
        public = cls.kind.public(channel.config)
        values = {one.name: _shown(one, public.get(one.name)) for one in cls.kind.fields}
        many = _many(channel.group_after, channel.group_window_seconds, channel.rate_per_hour)
        return cls(name=channel.name, version=str(channel.version), **many, **values)

    def offer(self, offers: Mapping[str, list[tuple[str, str]]]) -> None:
        """By the name of a field: what can be chosen, or what is suggested where anything may be written."""
        self.suggested = {name: pairs for name, pairs in offers.items() if not isinstance(self[name], SelectField)}
        for name in offers.keys() - self.suggested.keys():
            chosen = self[name].data
            missing = [(chosen, chosen)] if chosen and chosen not in dict(offers[name]) else []
            self[name].choices = choices([*offers[name], *missing])

    def read(self) -> dict[str, Any]:
        """`name`, `config` and limits as the service takes them. Raises Invalid for what can be seen here already: an
        address that alerts may not go to and that tells so itself (no name is looked up), and what can't be read."""
        mistakes: dict[str, list[str]] = {}
        config: dict[str, Any] = {}
        for one in self.kind.fields:
            try:
                config |= self._written(one)
            except ValueError as error:
                mistakes[f"config.{one.name}"] = [str(error)]
        for name in ("url", "server"):
            if why := _off_limits(str(config.get(name) or "")):
                mistakes[f"config.{name}"] = [why]
        limits = self._limits(mistakes)
        if mistakes and not (self.name.data or "").strip():
            mistakes["name"] = ["is missing; write what people call this channel, like #ops"]
        if mistakes:
            raise errors.Invalid(mistakes)
        return {"name": self.name.data, "config": config, **limits}

    def _limits(self, mistakes: dict[str, list[str]]) -> dict[str, Any]:
        """What is to become of many messages at once. What can't be read is added to `mistakes`."""
        found: dict[str, Any] = {"group_after": None}
        asked = {"rate_per_hour": _number}
        if self.many.data != "each":
            asked |= {"group_after": _number, "group_window_seconds": lambda text: durations.parse(text or "60")}
        for name, read in asked.items():
            try:
                found[name] = read((self[name].data or "").strip())
            except ValueError as error:
                mistakes[name] = [str(error)]
        if self.many.data != "each" and "group_after" not in mistakes and found["group_after"] is None:
            mistakes["group_after"] = [f"is missing; write how many, like {grouping.AFTER}"]
        return found

    def _written(self, one: Field) -> dict[str, Any]:
        """What the config says of the field `one`. A secret left empty is left out: it is kept."""
        data = self[one.name].data
        if one.none and self[NONE + one.name].data:
            return {one.name: None}
        if one.shape == "tick":
            return {one.name: bool(data)}
        if one.shape == "pairs":
            return {one.name: _pairs(data)}
        text = (data or "").strip() if one.shape != "text" else data
        return {} if one.secret and not text else {one.name: text or None}


def _many(after: int | None, window: int, per_hour: int | None) -> dict[str, str]:
    """The limits of a channel as its form shows them."""
    return {
        "many": "each" if after is None else "together",
        "group_after": str(after or grouping.AFTER),
        "group_window_seconds": durations.long(window),
        "rate_per_hour": str(per_hour or ""),
    }


def _number(text: str) -> int | None:
    """Raises ValueError with a sentence that says what to write."""
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("is not a whole number; write one, like 5")
    return int(text) if text else None


@cache
def form_of(kind: ChannelKind) -> type[ChannelForm]:
    """The class of forms for channels of `kind`."""
    made: dict[str, Any] = {"kind": kind}
    for one in kind.fields:
        made[one.name] = _input(one)
        if one.none:
            made[NONE + one.name] = BooleanField(one.none)
    return type(f"{kind.kind.title()}Form", (ChannelForm,), made)


def _input(one: Field) -> Any:
    if one.shape == "choice":
        return SelectField(one.label, choices=choices(one.choices))
    if one.shape == "tick":
        return BooleanField(one.label)
    return (StringField if one.shape == "line" else TextAreaField)(one.label)


def _shown(one: Field, value: Any) -> Any:
    """What the form shows of `value`; of a secret, only the names of a mapping."""
    if one.shape == "pairs":
        return "\n".join(f"{name}: {content}" for name, content in (value or {}).items())
    if one.secret:
        return ""
    if one.shape == "list":
        return "\n".join(value or ())
    return value if one.shape == "tick" else value or ""


def _pairs(text: str | None) -> dict[str, str]:
    """`Authorization: Bearer …`, one a line. Raises ValueError for a line without a colon."""
    found: dict[str, str] = {}
    for line in lines(text):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"“{line[:40]}” has no colon; write it like Name: value")
        found[name.strip()] = value.strip()
    return found


def of(kind: str) -> type[ChannelForm]:
    """The class of forms for channels of `kind`. Raises NotFound for a word that is none."""
    try:
        return form_of(channels.get(kind))
    except errors.Invalid:
        raise errors.NotFound from None


def kept(kind: ChannelKind, config: Mapping[str, Any]) -> frozenset[str]:
    """The names of the secrets that `config` has a value for."""
    return frozenset(name for name in kind.secret_fields if config.get(name))


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
