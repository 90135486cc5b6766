"""The markup of chat services as HTML, as far as our own messages use it. Whatever else is in it is shown as text."""

from __future__ import annotations

import re
from html import unescape

from markupsafe import Markup, escape

_SLACK = re.compile(
    r"\n?```\n?(?P<code>.*?)```\n?|<(?P<url>https?://[^|>]+)\|(?P<label>[^>]*)>|\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*",
    re.DOTALL,
)
_MARKDOWN = re.compile(
    r"\\(?P<plain>.)|\n?```\n?(?P<code>.*?)```\n?|\[(?P<label>(?:\\.|[^\]\\])+)\]\(<?(?P<url>https?://[^)>\s]+)>?\)"
    r"|\*\*(?P<bold>(?:\\.|[^*\\])+)\*\*",
    re.DOTALL,
)
_TELEGRAM = re.compile(
    r"<pre>(?P<code>.*?)</pre>|<a href=\"(?P<url>https?://[^\"]+)\">(?P<label>.*?)</a>|<(?:b|strong)>(?P<bold>.*?)</(?:b|strong)>",
    re.DOTALL,
)


def slack(text: str) -> Markup:
    """mrkdwn, https://docs.slack.dev/messaging/formatting-message-text"""
    return _drawn(_SLACK, text, lambda rest: plain(unescape(rest)))


def markdown(text: str) -> Markup:
    """The Markdown of Discord and of adaptive cards."""
    return _drawn(_MARKDOWN, text, plain)


def telegram(text: str) -> Markup:
    """https://core.telegram.org/bots/api#html-style"""
    return _drawn(_TELEGRAM, text, lambda rest: plain(unescape(rest)))


def plain(text: str) -> Markup:
    """Text with its line breaks."""
    return Markup("<br>").join(escape(line) for line in text.split("\n"))


def _drawn(pattern: re.Pattern[str], text: str, rest: object) -> Markup:
    assert callable(rest)
    drawn, at = [], 0
    for found in pattern.finditer(text):
        drawn += [rest(text[at : found.start()]), _element(pattern, found, rest)]
        at = found.end()
    return Markup("").join([*drawn, rest(text[at:])])


def _element(pattern: re.Pattern[str], found: re.Match[str], rest: object) -> Markup:
    assert callable(rest)
    part = {name: value for name, value in found.groupdict().items() if value is not None}
    if "plain" in part:
        return escape(part["plain"])
    if "code" in part:
        return Markup("<pre>{}</pre>").format(
            unescape(part["code"]) if pattern is not _MARKDOWN else part["code"].rstrip("\n")
        )
    if "bold" in part:
        return Markup("<b>{}</b>").format(_drawn(pattern, part["bold"], rest))
    return Markup('<a href="{}">{}</a>').format(unescape(part["url"]), _drawn(pattern, part["label"], rest))
