"""What a message looks like in Slack, as blocks: https://docs.slack.dev/reference/block-kit

Nothing a stranger wrote can link, mention or break out: the three letters that begin markup are escaped, and
`verbatim` keeps Slack from looking for addresses and names in the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokiflow.channels import text, words
from tokiflow.channels.message import Listed, Message

Block = dict[str, Any]

# Slack refuses a section of more than 3,000 letters and a field of more than 2,000, counted after escaping,
# which makes five letters out of one at worst.
TEXT_LIMIT = 580
FIELD_LIMIT = 380
FIELDS_LIMIT = 10
SECTION_LIMIT = 2_900
URL_LIMIT = 500
LISTED_SHOWN = 30
COLOURS = {"down": "#bf2d20", "late": "#d9930d", "up": "#16794f", "rest": "#68707e"}
_SHAPES = {"down": "▲", "late": "◔", "up": "●"}


def headline(message: Message) -> str:
    """The line that tells it all."""
    return f"{words.tone(message).shape} {bold(mrkdwn(words.headline(message)))}"


def bold(content: str) -> str:
    """`content`, already markup, in bold; as it is if a star in it would end that too early."""
    return content if "*" in content else f"*{content}*"


def below(message: Message) -> Block:
    """The details as an attachment, which alone has a colour."""
    plain = mrkdwn(words.headline(message))
    return {"color": COLOURS[words.tone(message).name], "fallback": plain, "blocks": details(message)}


def details(message: Message) -> list[Block]:
    """The card: what happened, why, the last output, what to do, the facts, where to go, the run strip."""
    return several(
        section(mrkdwn(words.sentence(message.summary))),
        section(mrkdwn(words.follow_up(message))),
        section(mrkdwn(words.sentence(message.reason))),
        *_listing(message),
        section(_output(*words.output(message))),
        section(f"*What to do*\n{mrkdwn(message.advice)}" if message.advice else ""),
        _facts(message),
        section(_links(message)),
        context(_signed(message)),
    )


def several(*blocks: Block | None) -> list[Block]:
    """Those of `blocks` that there are."""
    return [block for block in blocks if block is not None]


def section(content: str) -> Block | None:
    """A paragraph of markup; none if there is nothing to say."""
    return {"type": "section", "text": _text(content)} if content else None


def context(content: str) -> Block | None:
    """A line in small letters; none if there is nothing to say."""
    return {"type": "context", "elements": [_text(content)]} if content else None


def sections(lines: Iterable[str]) -> list[Block]:
    """`lines` of markup in as few paragraphs as Slack takes."""
    found: list[str] = []
    for line in lines:
        if found and len(found[-1]) + len(line) < SECTION_LIMIT:
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return several(*(section(one[:3_000]) for one in found))


def link(url: str, label: str) -> str:
    """A link whose label, already markup, can't end it early."""
    return f"<{mrkdwn(url, URL_LIMIT).replace('|', '%7C')}|{label}>"


def mrkdwn(value: str, limit: int = TEXT_LIMIT) -> str:
    """`value` without the three characters that make links, mentions and `<!channel>`; cut before it grows."""
    return text.truncate(value, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(content: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": content, "verbatim": True}


def _facts(message: Message) -> Block | None:
    rows = words.facts(message)[:FIELDS_LIMIT]
    cells = [_text(f"*{label}*\n{mrkdwn(value, FIELD_LIMIT)}") for label, value in rows]
    return {"type": "section", "fields": cells} if cells else None


def _output(label: str, lines: tuple[str, ...]) -> str:
    """As many of the last lines as fit, in a block that no back-ticks of theirs can end."""
    kept: list[str] = []
    room = SECTION_LIMIT
    for line in reversed(lines):
        escaped = mrkdwn(line.replace("```", "`\u200b`\u200b`"))
        room -= len(escaped) + 1
        if room < 0:
            break
        kept.insert(0, escaped)
    return f"*{label}*\n```" + "\n".join(kept) + "```" if kept else ""


def _listing(message: Message) -> list[Block]:
    """The incidents of a summary, a line each, as many as somebody reads."""
    shown = [_listed(one) for one in message.listed[:LISTED_SHOWN]]
    more = max(message.listed_total, len(message.listed)) - len(shown)
    return sections([*shown, f"and {more:,} more"] if more > 0 else shown)


def _listed(one: Listed) -> str:
    name = link(one.url, mrkdwn(one.monitor_name, 80)) if one.url else mrkdwn(one.monitor_name, 80)
    return f"{_SHAPES.get(one.status, '▲')} {bold(name)} {mrkdwn(one.summary, 140)}"


def _links(message: Message) -> str:
    return "   ".join(f"*{link(url, label)}*" for label, url in words.links(message))


def _signed(message: Message) -> str:
    strip = f"{words.strip(message)}   " if message.runs else ""
    return strip + mrkdwn(words.signed(message))
