"""What every kind of channel is, and how its secrets are kept from being read back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import fields
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Outside

SET = "set"
"""Stands where a secret is kept. Written back unchanged, it means "keep what you have"."""


class ChannelKind(ABC):
    """One way to tell people: one file in this folder, one test file beside it."""

    kind: ClassVar[str]
    """The word in the API and in the database: "slack"."""
    title: ClassVar[str]
    """The word on pages: "Slack"."""
    line: ClassVar[str]
    """What it is good for, in one sentence."""
    icon: ClassVar[str] = "channels"
    """The name of its icon in templates/components/icon.html."""
    fields: ClassVar[tuple[Field, ...]]
    """What its config holds."""
    setup: ClassVar[tuple[str, ...]] = ()
    """How to get what the form asks for, step by step."""
    arrives: ClassVar[str] = ""
    """What a message looks like on the other side, in a sentence or two."""
    for_people: ClassVar[bool] = True
    """Whether people read it. They want one message for a storm; a machine wants each."""
    follows: ClassVar[frozenset[str]] = frozenset()
    """What people do about it, where it wants to know: "acknowledged", "assigned", "muted", "unmuted"."""

    @property
    def secret_fields(self) -> frozenset[str]:
        """Names in the config whose values are never shown again."""
        return frozenset(field.name for field in self.fields if field.secret)

    def validate(self, config: Config) -> dict[str, Any]:
        """The config as it is stored. Raises Invalid, its fields named like "config.url"."""
        return fields.checked(self.fields, config, f"{_article(self.title)} channel")

    @abstractmethod
    def describe(self, config: Config) -> str:
        """Where messages go, in a few words and without secrets: "alice@harbour.example"."""

    def public(self, config: Config) -> dict[str, Any]:
        """The config as it may be read back: secrets replaced by "set", or None where there is none."""
        return masked(config, self.secret_fields)

    def carried(self, stored: Config, config: Config, now: datetime) -> dict[str, Any]:
        """`config`, checked, as it takes the place of `stored` at `now`: with what of that is still needed."""
        return dict(config)

    def current(self, config: Config, now: datetime) -> Config:
        """`config` without what has run out at `now`."""
        return config

    def facts(self, config: Config) -> list[tuple[str, str]]:
        """What else is worth showing on its page, as label and value, without secrets."""
        return []

    def host(self, config: Config) -> str:
        """The host and port that messages go to, by which their failures are counted."""
        return _host(str(config.get("url") or config.get("server") or "")) or self.kind

    @abstractmethod
    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """Deliver `message`, once. Raises DeliveryError; `permanent` only where trying again can't help."""


@lru_cache(maxsize=4096)
def _host(address: str) -> str:
    return urlsplit(address).netloc.lower()


def _article(title: str) -> str:
    return f"an {title}" if title[0] in "AEIOU" else f"a {title}"


def masked(config: Config, secret_fields: frozenset[str]) -> dict[str, Any]:
    """`config` with its secrets replaced. A secret mapping (headers) keeps its names and loses its values."""
    return {name: _mask(value) if name in secret_fields else value for name, value in config.items()}


def _mask(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict.fromkeys(value, SET)
    return SET if value else None


def with_kept_secrets(kind: ChannelKind, stored: Config, written: Config) -> dict[str, Any]:
    """The config of an edit, before validation: secrets left out or written as "set" keep their stored value.

    An empty or null secret removes it.
    """
    merged = dict(written)
    for name in kind.secret_fields & set(stored):
        merged[name] = _kept(stored[name], written.get(name, SET))
    return merged


def _kept(stored: Any, written: Any) -> Any:
    if written == SET:
        return stored
    if isinstance(stored, Mapping) and isinstance(written, Mapping):
        return {name: stored.get(name, value) if value == SET else value for name, value in written.items()}
    return written
