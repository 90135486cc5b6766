"""Styles for mail programs that throw style sheets away: each rule for a class is written into its elements as well.

The sheet stays, for dark mode and narrow screens, whose rules say `!important` and so win over what is inlined.
"""

from __future__ import annotations

import re

_SHEET = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_RULE = re.compile(r"\.([a-z0-9-]+) \{ ([^{}]*) \}")
_ELEMENT = re.compile(r'<([a-z0-9]+)((?: [^<>]*?)?) class="([a-z0-9 -]*)"([^<>]*)>')
_STYLE = re.compile(r' style="([^"]*)"')


def inlined(html: str) -> str:
    """`html` with the rules of its first style sheet repeated in `style` attributes.

    Only rules for one class that stand outside of @media are taken.
    """
    sheet = _SHEET.search(html)
    rules = _rules(sheet[1].partition("@media")[0]) if sheet else {}
    return _ELEMENT.sub(lambda found: _with_style(found, rules), html)


def _rules(sheet: str) -> dict[str, str]:
    return dict(_RULE.findall(sheet))


def _with_style(found: re.Match[str], rules: dict[str, str]) -> str:
    tag, before, classes, after = found.groups()
    declared = " ".join(rules[name] for name in classes.split() if name in rules)
    if not declared:
        return found[0]
    own = _STYLE.search(before + after)
    rest = _STYLE.sub("", before + after)
    # Its own style comes last: what is written on the element wins over the rule, as it does in the sheet.
    style = f"{declared} {own[1]}" if own else declared
    return f'<{tag}{rest} class="{classes}" style="{style}">'
