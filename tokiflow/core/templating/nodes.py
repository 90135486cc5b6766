"""What a template is made of, once it is read. Frozen: one that is read may be kept and used by many threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokiflow.core.templating.filters import Filter


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written: `"none"`, `80`."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A name: `monitor.name`."""

    names: tuple[str, ...]


Operand = Literal | Path


@dataclass(frozen=True, slots=True)
class Value:
    """A name or literal, and what is done to it: `output | last 5`."""

    of: Operand
    filters: tuple[tuple[Filter, tuple[Operand, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """`left`, or two compared: `run.exit_code == 1`, `"prod" in monitor.tags`."""

    left: Value
    how: str = ""
    right: Value | None = None
    negated: bool = False


Condition = tuple[tuple[Test, ...], ...]
"""True if in one of these groups all tests are: `or` of `and`."""


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside of tags."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """`{{ … }}`; `quoted`, if in JSON it stands between quotes."""

    value: Value
    quoted: bool


@dataclass(frozen=True, slots=True)
class If:
    """`{% if %}`, its `{% elif %}` and its `{% else %}`."""

    branches: tuple[tuple[Condition, Nodes], ...]
    otherwise: Nodes


@dataclass(frozen=True, slots=True)
class For:
    """`{% for name in over %}`, and its `{% else %}` for an empty list."""

    name: str
    over: Value
    body: Nodes
    otherwise: Nodes


Node = Text | Output | If | For
Nodes = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read for a text of `mode`."""

    nodes: Nodes
    mode: Any
