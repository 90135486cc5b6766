"""A text → nodes. All that can be wrong with it is found here, before anybody relies on it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import NoReturn

from tokiflow.core.templating import filters, shapes
from tokiflow.core.templating.errors import TemplateError, at
from tokiflow.core.templating.filters import FILTERS, Filter
from tokiflow.core.templating.modes import Mode
from tokiflow.core.templating.nodes import (
    Condition,
    For,
    If,
    Literal,
    Node,
    Nodes,
    Operand,
    Output,
    Path,
    Template,
    Test,
    Text,
    Value,
)
from tokiflow.core.templating.scanning import Piece, Token, pieces
from tokiflow.core.templating.shapes import FLAG, NUMBER, TEXT, Shape

LENGTH_LIMIT = 10_000
DEPTH_LIMIT = 8
TAGS_LIMIT = 500
FILTERS_LIMIT = 8
TESTS_LIMIT = 20
LITERAL_LIMIT = 500
NAME_LIMIT = 100

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}
_RESERVED = frozenset(_CONSTANTS) | {"loop", "and", "or", "not", "in"}
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_OPENERS, _MIDDLES, _ENDS = ("if", "for"), ("elif", "else"), ("endif", "endfor")
_STRING_PART = re.compile(r'["\\]')


def read(source: str, shape: Mapping[str, Shape], mode: Mode = Mode.TEXT) -> Template:
    """`source` as a template over values of `shape`, for a text of `mode`. Raises TemplateError."""
    if len(source) > LENGTH_LIMIT:
        raise TemplateError(f"the template is longer than {LENGTH_LIMIT:,} characters; write less", 1, 1)
    return Template(_Reader(source, mode).all(dict(shape)), mode)


class _Reader:
    """One reading. In JSON it also follows whether it is between quotes, for a value is written differently there."""

    def __init__(self, source: str, mode: Mode) -> None:
        self.source, self.mode = source, mode
        self.pieces = list(pieces(source))
        self.next = 0
        self.quoted = False
        if sum(bool(piece.opens) for piece in self.pieces) > TAGS_LIMIT:
            raise TemplateError(f"there are more than {TAGS_LIMIT} tags; write fewer", 1, 1)

    def all(self, scope: dict[str, Shape]) -> Nodes:
        nodes, ended = self._nodes(scope, 0)
        if ended:
            word = ended.tokens[0].text
            self._fail(ended, f"{{% {word} %}} has no {{% {'for' if word == 'endfor' else 'if'} %}} before it")
        if self.quoted:
            raise at(self.source, len(self.source), 'a " is missing: the text ends between quotes')
        return nodes

    # Pieces.

    def _nodes(self, scope: dict[str, Shape], depth: int) -> tuple[Nodes, Piece | None]:
        """Nodes up to a tag that belongs to an outer one, and that tag."""
        nodes: list[Node] = []
        while self.next < len(self.pieces):
            piece = self.pieces[self.next]
            self.next += 1
            if not piece.opens:
                self._follow_quotes(piece)
                nodes += [Text(piece.text)] if piece.text else []
            elif piece.opens == "{{":
                nodes.append(Output(self._output(piece, scope), self.quoted))
            elif self._word(piece) in _OPENERS:
                if depth >= DEPTH_LIMIT:
                    self._fail(piece, f"tags are nested more than {DEPTH_LIMIT} deep; write it flatter")
                within = self._if if self._word(piece) == "if" else self._for
                nodes.append(within(piece, scope, depth + 1))
            else:
                return tuple(nodes), piece
        return tuple(nodes), None

    def _word(self, piece: Piece) -> str:
        word = piece.tokens[0].text if piece.tokens else ""
        known = (*_OPENERS, *_MIDDLES, *_ENDS)
        if word not in known:
            near = difflib.get_close_matches(word[:20], known, 1)
            hint = f"; did you mean {near[0]}?" if near else "; there is if, elif, else, endif, for and endfor"
            self._fail(piece, f"{{% {word[:40]} %}} is not known{hint}")
        return word

    def _follow_quotes(self, piece: Piece) -> None:
        if self.mode is not Mode.JSON:
            return
        position = 0
        while found := _STRING_PART.search(piece.text, position):
            position = found.end()
            if found[0] == '"':
                self.quoted = not self.quoted
            elif self.quoted and position >= len(piece.text):
                self._fail(piece, "a backslash can’t stand before a tag", len(piece.text) - 1)
            else:
                position += 1

    def _if(self, piece: Piece, scope: dict[str, Shape], depth: int) -> Node:
        before, branches = self.quoted, []
        opener, tag, ends = piece, piece, []
        while True:
            words = _Words(self, tag, scope)
            condition = words.condition()
            nodes, following = self._nodes(scope, depth)
            branches.append((condition, nodes))
            ends.append(self.quoted)
            word = self._following(following, opener)
            if word != "elif":
                break
            self.quoted, tag = before, following or piece
        otherwise: Nodes = ()
        if word == "else":
            self.quoted = before
            otherwise, following = self._else(following, scope, depth)
            ends.append(self.quoted)
        else:
            ends.append(before)
        self._close(following, opener, "endif", ends)
        return If(tuple(branches), otherwise)

    def _for(self, piece: Piece, scope: dict[str, Shape], depth: int) -> Node:
        before = self.quoted
        name, over, item = _Words(self, piece, scope).loop()
        body, following = self._nodes({**scope, name: item, "loop": shapes.LOOP}, depth)
        ends = [before, self.quoted]
        otherwise: Nodes = ()
        if self._following(following, piece) == "else":
            self.quoted = before
            otherwise, following = self._else(following, scope, depth)
            ends.append(self.quoted)
        self._close(following, piece, "endfor", ends)
        return For(name, over, body, otherwise)

    def _else(self, piece: Piece | None, scope: dict[str, Shape], depth: int) -> tuple[Nodes, Piece | None]:
        if piece:
            _Words(self, piece, scope).nothing_more()
        return self._nodes(scope, depth)

    def _following(self, piece: Piece | None, opener: Piece) -> str:
        """The word of the tag that ends a part of `opener`."""
        opened = opener.tokens[0].text
        if piece is None:
            self._fail(opener, f"this {{% {opened} %}} has no {{% end{opened} %}}")
        word = piece.tokens[0].text
        if word in _ENDS and word != f"end{opened}":
            self._fail(piece, f"here {{% end{opened} %}} is due, for the {{% {opened} %}} before it")
        if opened == "for" and word == "elif":
            self._fail(piece, "{% elif %} belongs to an {% if %}")
        return word

    def _close(self, piece: Piece | None, opener: Piece, end: str, quoted: list[bool]) -> None:
        self._following(piece, opener)
        if piece is None or piece.tokens[0].text != end:
            self._fail(piece or opener, f"here {{% {end} %}} is due")
        _Words(self, piece, {}).nothing_more()
        if len(set(quoted)) > 1:
            self._fail(
                opener, f'the quotes don’t match: what stands up to {{% {end} %}} opens a " and doesn’t close it'
            )
        self.quoted = quoted[0]

    def _output(self, piece: Piece, scope: dict[str, Shape]) -> Value:
        words = _Words(self, piece, scope)
        if words.over():
            self._fail(piece, "there is nothing between the braces; write a name, like {{ summary }}")
        value, shape = words.value()
        words.nothing_more()
        simple = shapes.is_leaf(shape) or (isinstance(shape, list) and shapes.is_leaf(shape[0]))
        if not simple and (self.mode is not Mode.JSON or self.quoted):
            self._fail(piece, _not_one_value(value, shape))
        return value

    def _fail(self, piece: Piece, why: str, offset: int = 0) -> NoReturn:
        raise at(self.source, piece.position + offset, why)


def _not_one_value(value: Value, shape: Shape) -> str:
    name = ".".join(value.of.names) if isinstance(value.of, Path) else "this"
    if isinstance(shape, Mapping):
        one = f"{name}.{next(iter(shape))}"
        return f"{name} is a group of values; write one of them, like {one}, or {{{{ {name} | json }}}}"
    return f"{name} is a list of groups; go over it with {{% for one in {name} %}}, or write {{{{ {name} | json }}}}"


class _Words:
    """The words of one tag, read from left to right."""

    def __init__(self, reader: _Reader, piece: Piece, scope: dict[str, Shape]) -> None:
        self.source, self.scope, self.piece = reader.source, scope, piece
        self.tokens = piece.tokens
        self.next = 1 if piece.opens == "{%" else 0

    def over(self) -> bool:
        return self.next >= len(self.tokens)

    def nothing_more(self) -> None:
        if not self.over():
            self._fail(f"{_short(self._peek())} is too much here")

    # Conditions.

    def condition(self) -> Condition:
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
        if token.kind == "mark" or (token.kind == "name" and token.text in ("and", "or", "in", "not")):
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
        while not self.over() and self.tokens[self.next].kind != "mark" and self._peek() not in _WORDS_BETWEEN:
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


_WORDS_BETWEEN = ("and", "or", "in", "not")


def _short(written: str) -> str:
    return written if len(written) <= 40 else written[:39] + "…"
