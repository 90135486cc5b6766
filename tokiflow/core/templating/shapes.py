"""Which names a template may use, and what stands behind each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

Shape = Any
"""`TEXT`, `NUMBER` or `FLAG`, a mapping of names to shapes, or a list of one shape, that of its items."""

TEXT = "text"
NUMBER = "number"
FLAG = "yes or no"

LOOP: dict[str, Shape] = {"index": NUMBER, "first": FLAG, "last": FLAG}
"""What `loop` tells within a for."""


def is_leaf(shape: Shape) -> bool:
    """Whether it is one value, which can be written as it is."""
    return isinstance(shape, str)


def words(shape: Shape) -> str:
    """`a text`, `a list`: for sentences."""
    if isinstance(shape, list):
        return "a list"
    return "a group of values" if isinstance(shape, Mapping) else f"a {shape}" if shape != FLAG else "yes or no"


def find(shape: Shape, path: tuple[str, ...]) -> Shape | None:
    """What `path` leads to, or None if it leads nowhere."""
    for name in path:
        shape = shape.get(name) if isinstance(shape, Mapping) else None
    return shape


def paths(shape: Shape, before: str = "") -> Iterator[str]:
    """Every path into `shape`: `monitor`, `monitor.name`…"""
    for name, below in shape.items():
        yield before + name
        if isinstance(below, Mapping):
            yield from paths(below, f"{before}{name}.")


def suggestion(shape: Shape, written: str) -> str:
    """`; did you mean monitor.name?`, or the names there are, where none is near."""
    known = list(paths(shape))
    short = written[:60]
    same_end = [one for one in known if one.rpartition(".")[2] == short.rpartition(".")[2]]
    near = difflib.get_close_matches(short, known, 1, 0.6) or same_end or _nearest_ending(short, known)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there is {', '.join(sorted(shape))}"


def _nearest_ending(written: str, known: list[str]) -> list[str]:
    """`name` for `nmae`: the last word is often all that is remembered."""
    endings = {one.rpartition(".")[2]: one for one in reversed(known)}
    return [endings[one] for one in difflib.get_close_matches(written.rpartition(".")[2], list(endings), 1, 0.7)]
