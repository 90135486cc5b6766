"""A text → nodes. All that can be wrong with it is found here, before anybody relies on it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import NoReturn

from tokiflow.core.templating import shapes
from tokiflow.core.templating.errors import TemplateError, at
from tokiflow.core.templating.modes import Mode
from tokiflow.core.templating.nodes import For, If, Node, Nodes, Output, Path, Template, Text, Value
from tokiflow.core.templating.scanning import Piece, pieces
from tokiflow.core.templating.shapes import Shape
from tokiflow.core.templating.words import Words

LENGTH_LIMIT = 10_000
DEPTH_LIMIT = 8
TAGS_LIMIT = 500

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
            words = Words(self.source, tag, scope)
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
        name, over, item = Words(self.source, piece, scope).loop()
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
            Words(self.source, piece, scope).nothing_more()
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
        Words(self.source, piece, {}).nothing_more()
        if len(set(quoted)) > 1:
            self._fail(
                opener, f'the quotes don’t match: what stands up to {{% {end} %}} opens a " and doesn’t close it'
            )
        self.quoted = quoted[0]

    def _output(self, piece: Piece, scope: dict[str, Shape]) -> Value:
        words = Words(self.source, piece, scope)
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
