"""Nodes and values → text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from tokiflow.core.templating.errors import TemplateError
from tokiflow.core.templating.modes import text, written
from tokiflow.core.templating.nodes import Condition, For, If, Nodes, Operand, Output, Path, Template, Test, Text, Value

STEP_LIMIT = 20_000
OUTPUT_LIMIT = 100_000
"""Characters. What no template can pass, however it loops."""
CHARACTERS_A_STEP = 50
"""What is long takes longer, also where it is only looked at."""

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def render(template: Template, values: Mapping[str, Any]) -> str:
    """The text that `template` makes of `values` (plain: texts, numbers, lists, mappings).

    Raises TemplateError if it takes too many steps or grows too long.
    """
    work = _Work(template.mode)
    work.write(template.nodes, values)
    return "".join(work.parts)


class _Work:
    """One rendering: what was written so far, and what may still be."""

    def __init__(self, mode: Any) -> None:
        self.mode = mode
        self.parts: list[str] = []
        self.steps = 0
        self.length = 0

    def write(self, nodes: Nodes, scope: Mapping[str, Any]) -> None:
        for node in nodes:
            self._step()
            if isinstance(node, Text):
                self._add(node.text)
            elif isinstance(node, Output):
                self._add(written(self._value(node.value, scope), self.mode, node.quoted))
            elif isinstance(node, If):
                self.write(self._branch(node, scope), scope)
            else:
                self._loop(node, scope)

    def _add(self, part: str) -> None:
        self.length += len(part)
        if self.length > OUTPUT_LIMIT:
            raise TemplateError(f"the text gets longer than {OUTPUT_LIMIT:,} characters; write less", 1, 1)
        self.parts.append(part)

    def _step(self, size: int = 0) -> None:
        self.steps += 1 + size // CHARACTERS_A_STEP
        if self.steps > STEP_LIMIT:
            raise TemplateError(f"it takes more than {STEP_LIMIT:,} steps; loop over less", 1, 1)

    def _branch(self, node: If, scope: Mapping[str, Any]) -> Nodes:
        for condition, nodes in node.branches:
            if self._holds(condition, scope):
                return nodes
        return node.otherwise

    def _loop(self, node: For, scope: Mapping[str, Any]) -> None:
        found = self._value(node.over, scope)
        items = found if isinstance(found, list | tuple) else ()
        if not items:
            self.write(node.otherwise, scope)
        for number, item in enumerate(items, 1):
            self._step()
            loop = {"index": number, "first": number == 1, "last": number == len(items)}
            self.write(node.body, {**scope, node.name: item, "loop": loop})

    def _holds(self, condition: Condition, scope: Mapping[str, Any]) -> bool:
        return any(all(self._passes(test, scope) for test in group) for group in condition)

    def _passes(self, test: Test, scope: Mapping[str, Any]) -> bool:
        left = self._value(test.left, scope)
        right = self._value(test.right, scope) if test.right else None
        self._step(len(right) if isinstance(right, str | list) else 0)
        return _compared(left, test.how, right) is not test.negated

    def _value(self, value: Value, scope: Mapping[str, Any]) -> Any:
        found = _found(value.of, scope)
        for one, arguments in value.filters:
            found = one.apply(found, *(_found(argument, scope) for argument in arguments))
            self._step(len(found) if isinstance(found, str | list) else 0)
        return found


def _found(operand: Operand, scope: Mapping[str, Any]) -> Any:
    """What stands behind a name, or None: a test, say, is about no monitor."""
    if not isinstance(operand, Path):
        return operand.value
    found: Any = scope
    for name in operand.names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _compared(left: Any, how: str, right: Any) -> bool:
    if not how:
        return bool(left)
    if how in ("==", "!="):
        return _equal(left, right) is (how == "==")
    if how == "in":
        return any(_equal(left, one) for one in right) if isinstance(right, list | tuple) else text(left) in text(right)
    return _is_number(left) and _is_number(right) and _ORDER[how](left, right)


def _equal(left: Any, right: Any) -> bool:
    """`run.exit_code == "1"` holds, too: whether something is a number is not always known by heart."""
    if left is None or right is None:
        return left is right
    return bool(left == right) or (type(left) is not type(right) and text(left) == text(right))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
