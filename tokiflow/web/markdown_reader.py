"""How Markdown becomes HTML (web/markdown.py): the libraries that do it, which hold some megabytes.

HTML in it is text; the result is washed once more against a short list of what may stand there. Images become links:
a page of ours fetches nothing from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto"}


@lru_cache(maxsize=512)
def washed(text: str) -> str:
    """`text` as HTML that can do no harm. Lines break where they were broken."""
    return nh3.clean(
        _reader().render(text),
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    made.core.ruler.push("smaller_headings", _smaller_headings)
    made.core.ruler.push("addresses", _addresses)
    made.add_render_rule("image", _as_link)
    return made


def _smaller_headings(state: object) -> None:
    """Below those of the page: the largest is an h3."""
    for token in getattr(state, "tokens", ()):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + 2, 6)}"


_ADDRESS = re.compile(r"(https?://[^\s<>\"]{1,2000}[^\s<>\".,:;!?)\]'’”])")


def _addresses(state: object) -> None:
    """An address that stands in a text is a link, as people expect."""
    for block in getattr(state, "tokens", ()):
        if block.type == "inline" and block.children and "://" in block.content:
            block.children = list(_linked(block.children))


def _linked(tokens: list[Token]) -> Iterator[Token]:
    within = 0
    for token in tokens:
        within += (token.type == "link_open") - (token.type == "link_close")
        if token.type != "text" or within:
            yield token
            continue
        for n, piece in enumerate(_ADDRESS.split(token.content)):
            words = Token("text", "", 0, content=piece)
            if n % 2:
                yield Token("link_open", "a", 1, attrs={"href": piece})
                yield words
                yield Token("link_close", "a", -1)
            elif piece:
                yield words


def _as_link(self: RendererHTML, tokens: list[Token], index: int, options: object, env: object) -> str:
    token = tokens[index]
    made = Token("link_open", "a", 1, attrs={"href": token.attrs.get("src", "")})
    words = token.content or str(token.attrs.get("src", ""))
    return f"{self.renderToken([made], 0, options, env)}{Markup.escape(words)}</a>"  # type: ignore[arg-type]
