"""What every kind of channel is, and how its secrets are kept from being read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Outside

Config = Mapping[str, Any]
SET = "set"
"""Stands where a secret is kept. Written back unchanged, it means "keep what you have"."""


class ChannelKind(Protocol):
    """One way to tell people: one file in this folder, one test file beside it."""

    @property
    def kind(self) -> str:
        """The word in the API and in the database: "slack"."""

    @property
    def title(self) -> str:
        """The word on pages: "Slack"."""

    @property
    def secret_fields(self) -> frozenset[str]:
        """Names in the config whose values are never shown again."""

    def validate(self, config: Config) -> dict[str, Any]:
        """The config as it is stored. Raises Invalid, its fields named like "config.url"."""

    def describe(self, config: Config) -> str:
        """Where messages go, in a few words and without secrets: "alice@harbour.example"."""

    def public(self, config: Config) -> dict[str, Any]:
        """The config as it may be read back: secrets replaced by "set", or None where there is none."""

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """Deliver `message`, once. Raises DeliveryError; `permanent` only where trying again can't help."""


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
