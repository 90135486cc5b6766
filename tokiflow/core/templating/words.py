"""The words of one tag: conditions, loops, and values with their filters."""

from __future__ import annotations

import difflib
import re
from typing import NoReturn

from tokiflow.core.templating import filters, shapes
from tokiflow.core.templating.errors import at
from tokiflow.core.templating.filters import FILTERS, Filter
from tokiflow.core.templating.nodes import Condition, Literal, Operand, Path, Test, Value
from tokiflow.core.templating.scanning import Piece, Token
from tokiflow.core.templating.shapes import FLAG, NUMBER, TEXT, Shape

FILTERS_LIMIT = 8
TESTS_LIMIT = 20
LITERAL_LIMIT = 500
NAME_LIMIT = 100

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}
_BETWEEN = ("and", "or", "in", "not")
_RESERVED = frozenset(_CONSTANTS) | {"loop", *_BETWEEN}
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


class Words:
    """The words of one tag, read from left to right."""

    def __init__(self, source: str, piece: Piece, scope: dict[str, Shape]) -> None:
        self.source, self.scope, self.piece = source, scope, piece
        self.tokens = piece.tokens
        self.next = 1 if piece.opens == "{%" else 0

    def over(self) -> bool:
        """Whether all of them are read."""
        return self.next >= len(self.tokens)

    def nothing_more(self) -> None:
        """Raise TemplateError unless all of them are read."""
        if not self.over():
            self._fail(f"{_short(self._peek())} is too much here")

    # Conditions.

    def condition(self) -> Condition:
        """`a == 1 and not b or c`, up to the end of the tag."""
        groups: list[tuple[Test, ...]] = []
        count = 0
        while True:
            group = [self._test()]
            while self._take("and"):
                group.append(self._test())
            groups.append(tuple(group))
            count += len(group)
            if count > TESTS_LIMIT:
                self._fail(f"there are more than {TESTS_LIMIT} conditions in one tag; write fewer")
            if not self._take("or"):
                break
        self.nothing_more()
        return tuple(groups)

    def _test(self) -> Test:
        negated = self._take("not")
        left, left_shape = self.value()
        how = self._comparison()
        if not how:
            return Test(left, negated=negated)
        inverse = how == "not in"
        position = self.next
        right, right_shape = self.value()
        if how in ("<", "<=", ">", ">=") and (left_shape != NUMBER or right_shape != NUMBER):
            self._fail(f"{how} compares numbers; compare texts with == or !=", position - 1)
        return Test(left, "in" if inverse else how, right, negated is not inverse)

    def _comparison(self) -> str:
        if self._take("not"):
            if not self._take("in"):
                self._fail("here in is due: not in")
            return "not in"
        return next((how for how in (*_COMPARISONS, "in") if self._take(how)), "")

    # For.

    def loop(self) -> tuple[str, Value, Shape]:
        """`line in output`: the name, what it goes over, and the shape of what the name stands for."""
        example = "write {% for line in output %}"
        if self.over() or self.tokens[self.next].kind != "name":
            self._fail(f"a name is missing; {example}")
        name = self.tokens[self.next].text
        if "." in name or len(name) > NAME_LIMIT or name in _RESERVED:
            self._fail(f"{_short(name)} can’t be the name here; {example}")
        if name in self.scope:
            self._fail(f"{name} stands for something already; choose another name")
        self.next += 1
        if not self._take("in"):
            self._fail(f"in is missing; {example}")
        position = self.next
        over, shape = self.value()
        if not isinstance(shape, list):
            self._fail(f"for goes over a list, and this is {shapes.words(shape)}; lists are {self._lists()}", position)
        self.nothing_more()
        return name, over, shape[0]

    def _lists(self) -> str:
        return ", ".join(
            path
            for path in sorted(shapes.paths(self.scope))
            if isinstance(shapes.find(self.scope, tuple(path.split("."))), list)
        )

    # Values.

    def value(self) -> tuple[Value, Shape]:
        """A name or literal with its filters, and the shape of what comes out."""
        operand, shape = self._operand()
        applied: list[tuple[Filter, tuple[Operand, ...]]] = []
        while self._take("|"):
            if len(applied) >= FILTERS_LIMIT:
                self._fail(f"there are more than {FILTERS_LIMIT} filters; use fewer")
            one = self._filter(shape)
            applied.append((one, self._arguments(one)))
            shape = one.gives(shape)
        return Value(operand, tuple(applied)), shape

    def _operand(self) -> tuple[Operand, Shape]:
        if self.over():
            self._fail("a name is missing, like monitor.name")
        token = self.tokens[self.next]
        if token.kind == "mark" or (token.kind == "name" and token.text in _BETWEEN):
            self._fail(f"{token.text} can’t stand here; a name is missing before it, like monitor.name")
        self.next += 1
        if token.kind == "string":
            return Literal(self._string(token)), TEXT
        if token.kind == "number":
            return Literal(self._number(token)), NUMBER
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text]), FLAG
        return self._path(token)

    def _path(self, token: Token) -> tuple[Operand, Shape]:
        names = tuple(token.text.split("."))
        shape = shapes.find(self.scope, names)
        if shape is None:
            raise at(self.source, token.position, self._unknown(token.text, names))
        return Path(names), shape

    def _unknown(self, written: str, names: tuple[str, ...]) -> str:
        for length in range(1, len(names)):
            found = shapes.find(self.scope, names[:length])
            if isinstance(found, list):
                name = ".".join(names[:length])
                return f"{name} is a list; go over it with {{% for one in {name} %}}, or write {name} | first"
        return f"{_short(written)} is not known{shapes.suggestion(self.scope, written)}"

    def _string(self, token: Token) -> str:
        if len(token.text) > LITERAL_LIMIT:
            raise at(self.source, token.position, f"this text is longer than {LITERAL_LIMIT} characters; write less")
        parts = re.split(r"\\(.)", token.text[1:-1])
        for escape in parts[1::2]:
            if escape not in _ESCAPES:
                raise at(
                    self.source, token.position, f"\\{escape} means nothing; there is \\n, \\t, \\\\, \\\" and \\'"
                )
        return "".join(_ESCAPES[part] if odd % 2 else part for odd, part in enumerate(parts))

    def _number(self, token: Token) -> int | float:
        if len(token.text) > 12:
            raise at(self.source, token.position, f"{_short(token.text)} is too large a number")
        return float(token.text) if "." in token.text else int(token.text)

    # Filters.

    def _filter(self, shape: Shape) -> Filter:
        if self.over():
            self._fail("a filter is missing after |, like upper")
        written = self.tokens[self.next].text
        if written not in FILTERS:
            near = difflib.get_close_matches(written[:30], FILTERS, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there is {', '.join(sorted(FILTERS))}"
            self._fail(f"there is no filter {_short(written)}{hint}")
        one = FILTERS[written]
        if one.takes == "list" and not isinstance(shape, list):
            self._fail(f"{one.name} takes a list, and this is {shapes.words(shape)}; lists are {self._lists()}")
        if one.takes == "leaf" and not shapes.is_leaf(shape):
            instead = '; write | join ", " before it' if isinstance(shape, list) else "; choose one of its values"
            self._fail(f"{one.name} takes a text, and this is {shapes.words(shape)}{instead}")
        self.next += 1
        return one

    def _arguments(self, one: Filter) -> tuple[Operand, ...]:
        """What stands behind a filter: `truncate 80`; `truncate: 80` and `truncate(80)`, as others have it, will do."""
        bracket = self._take("(")
        if not bracket:
            self._take(":")
        arguments: list[Operand] = []
        while not self.over() and self.tokens[self.next].kind != "mark" and self._peek() not in _BETWEEN:
            arguments.append(self._argument(one, len(arguments)))
            self._take(",")
        if bracket and not self._take(")"):
            self._fail(f"the bracket of {one.name} is not closed; write {one.usage}")
        if len(arguments) < one.needed:
            self._fail(f"{one.name} wants to know more; write {one.usage}")
        return tuple(arguments)

    def _argument(self, one: Filter, number: int) -> Operand:
        position = self.next
        if number >= len(one.arguments):
            self._fail(f"{_short(self._peek())} is too much for {one.name}; write {one.usage}")
        operand, shape = self._operand()
        wanted = one.arguments[number]
        if wanted != filters.ANY and shape != wanted:
            self._fail(f"{one.name} wants a {wanted} here; write {one.usage}", position)
        if one.name == "date":
            self._check_date(operand, number, position)
        return operand

    def _check_date(self, operand: Operand, number: int, position: int) -> None:
        if number == 0 and not (isinstance(operand, Literal) and filters.is_date_form(operand.value)):
            known = ", ".join(f"%{letter}" for letter in "YmdHMSbaZ")
            self._fail(
                f"this is no form of a date; write it with {known} and the like, as in {FILTERS['date'].usage}",
                position,
            )
        if number == 1 and isinstance(operand, Literal) and not filters.is_zone(operand.value):
            self._fail(f"{_short(operand.value)} is no time zone; write one like Europe/Berlin, or timezone", position)

    # Tokens.

    def _peek(self) -> str:
        return self.tokens[self.next].text

    def _take(self, text: str) -> bool:
        taken = not self.over() and self._peek() == text and self.tokens[self.next].kind != "string"
        self.next += taken
        return taken

    def _fail(self, why: str, index: int | None = None) -> NoReturn:
        found = self.next if index is None else index
        position = self.tokens[found].position if found < len(self.tokens) else self.piece.position
        raise at(self.source, position, why)


def _short(written: str) -> str:
    return written if len(written) <= 40 else written[:39] + "…"
