"""What a kind of channel asks for, field by field: from these the form is drawn and the config is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokiflow.core import addresses, tokens
from tokiflow.errors import Invalid

Config = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One value of a config.

    `read` takes what was written (None if nothing was) and gives back what is stored, or raises ValueError saying
    what to write, as in "is missing; write …".
    """

    name: str
    label: str
    read: Callable[[Any], Any]
    help: str = ""
    placeholder: str = ""
    shape: str = "line"
    """line · text (several lines) · list (one a line) · pairs (`Name: value`, one a line) · choice · tick"""
    choices: tuple[tuple[str, str], ...] = ()
    secret: bool = False
    """Written, kept and never shown again."""
    optional: bool = False
    mono: bool = False
    suggest: Callable[[], str] | None = None
    """Makes what a new form begins with."""
    none: str = ""
    """For a secret that may be left out: the words of the tick that says so."""
    none_help: str = ""


def checked(fields: Sequence[Field], config: Config, what: str) -> dict[str, Any]:
    """The config as it is stored. Raises Invalid naming every bad field like "config.url"; `what`: "a webhook"."""
    known = {field.name for field in fields}
    wrong: dict[str, list[str]] = {
        f"config.{str(name)[:40]}": [f"is not a field of {what}"] for name in config if name not in known
    }
    stored: dict[str, Any] = {}
    for field in fields:
        try:
            stored[field.name] = field.read(config.get(field.name))
        except ValueError as error:
            wrong[f"config.{field.name}"] = [str(error)]
        except Invalid as invalid:
            wrong |= invalid.fields
    if wrong:
        raise Invalid(wrong)
    return stored


# What many kinds ask for.


def line(limit: int, hint: str, *, optional: bool = False) -> Callable[[Any], str]:
    """A reader of one line of printable text; `hint` says what to write where it is missing."""

    def read(value: Any) -> str:
        if value is None or (isinstance(value, str) and not value.strip()):
            if optional:
                return ""
            raise ValueError(f"is missing; {hint}")
        if not isinstance(value, str) or not value.strip().isprintable():
            raise ValueError(f"must be text on one line; {hint}")
        if len(value.strip()) > limit:
            raise ValueError(f"is too long; write at most {limit} characters")
        return value.strip()

    return read


def one_of(words: Sequence[str]) -> Callable[[Any], str]:
    """A reader of one of `words`; the first where nothing was written."""

    def read(value: Any) -> str:
        if value in (None, ""):
            return words[0]
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return read


def choice(name: str, label: str, choices: Sequence[tuple[str, str]], *, usual: str = "", help: str = "") -> Field:
    """One of `choices`, each a value and its words; `usual`, or else the first, where nothing was written."""
    first = usual or choices[0][0]
    others = [value for value, _ in choices if value != first]
    return Field(
        name=name,
        label=label,
        read=one_of((first, *others)),
        shape="choice",
        choices=tuple(choices),
        suggest=lambda: first,
        help=help,
    )


def flag(value: Any) -> bool:
    """A reader of yes or no; no where nothing was written."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false; write one of them")
    return value


def url(label: str = "Address", *, secret: bool = False, help: str = "", placeholder: str = "") -> Field:
    """The web address that messages go to."""
    return Field(
        name="url", label=label, read=addresses.web, help=help, placeholder=placeholder, secret=secret, mono=True
    )


def server(default: str, help: str = "") -> Field:
    """The address of a service's API: nearly always `default`, but some have regions, or servers of one's own."""

    def read(value: Any) -> str:
        return default if value in (None, "") else addresses.web(value).rstrip("/")

    return Field(
        name="server",
        label="Address of the service",
        read=read,
        help=help or f"Leave it empty for {default}.",
        placeholder=default,
        optional=True,
        mono=True,
    )


def new_secret() -> str:
    """A secret to sign with."""
    return tokens.new_ping_token()
