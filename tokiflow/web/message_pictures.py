"""Pictures of messages as their readers see them, drawn from what was really sent (message_capture).

Each drawing is a template in gallery/ and a function here that reads what it needs out of the requests. A kind that
has no drawing of its own is shown as the request it makes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tokiflow.channels import discord, slack_blocks, teams
from tokiflow.web import chat_markup
from tokiflow.web.message_capture import Captured, Request

_SLACK_TONES = {colour: name for name, colour in slack_blocks.COLOURS.items()}
_DISCORD_TONES = {colour: name for name, colour in discord.COLOURS.items()}
_TEAMS_TONES = {style: name for name, style in teams.STYLES.items()}
_TITLES, _TEXTS, _LINKS = ("title", "subject"), ("message", "text", "body", "content"), ("click", "url")
GSM = re.compile(r"[\w\s@£$¥!\"#%&'()*+,\-./:;<=>?¡¿§]*", re.ASCII)


@dataclass(frozen=True)
class Picture:
    """One message on the other side: the template that draws it with `data`, and what stands above it in words."""

    drawing: str
    caption: str
    data: Mapping[str, Any]
    raw: str


def of(captured: Captured, drawing: str) -> list[Picture]:
    """What the reader sees of it, in the order in which it was sent."""
    pictures = [Picture("mail", "A mail", _mail(mail), "") for mail in captured.mails]
    return pictures + [_picture(request, drawing) for request in captured.requests]


def _picture(request: Request, drawing: str) -> Picture:
    data = DRAWINGS[drawing](request)
    parts = urlsplit(request.url)
    caption = f"{request.method} {parts.netloc}{parts.path}"
    if data is None:
        drawing, data = "request", {}
    return Picture(drawing, _meaning(request) or caption, data, raw(request))


def raw(request: Request) -> str:
    """The request as it goes over the line, its JSON made readable."""
    headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    body = request.body.decode("utf-8", "replace")
    if request.json is not None:
        body = json.dumps(request.json, ensure_ascii=False, indent=2)
    elif _form(request):
        body = "\n".join(f"{name} = {value}" for name, value in _form(request).items())
    return f"{request.method} {request.url}\n{headers}\n\n{body}"


def _meaning(request: Request) -> str:
    """What a request does to what is there already; empty where it only adds to it."""
    said = request.json if isinstance(request.json, dict) else {}
    if request.url.endswith("/chat.update") or request.method == "PATCH":
        return "The first message changes"
    if said.get("thread_ts"):
        return "An answer in its thread" + (", shown in the channel, too" if said.get("reply_broadcast") else "")
    if said.get("reply_parameters") or said.get("reply_to_message_id"):
        return "An answer to the first message"
    return ""


# Slack.


def _slack(request: Request) -> dict[str, Any] | None:
    said = request.json
    if not isinstance(said, dict):
        return None
    attachments = [
        {"tone": _SLACK_TONES.get(one.get("color"), "rest"), "blocks": [_block(block) for block in one["blocks"]]}
        for one in said.get("attachments", ())
    ]
    blocks = [_block(block) for block in said.get("blocks", ())]
    line = chat_markup.slack(said.get("text", ""))
    return {"blocks": blocks or [{"type": "section", "text": line, "fields": ()}], "attachments": attachments}


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "actions":
        buttons = [(one["text"]["text"], one.get("style", "")) for one in block["elements"]]
        return {"type": "actions", "buttons": buttons}
    if block["type"] == "context":
        return {"type": "context", "texts": [chat_markup.slack(one["text"]) for one in block["elements"]]}
    text = chat_markup.slack(block["text"]["text"]) if "text" in block else ""
    return {
        "type": "section",
        "text": text,
        "fields": [chat_markup.slack(one["text"]) for one in block.get("fields", ())],
    }


# Discord and Teams.


def _discord(request: Request) -> dict[str, Any] | None:
    said = request.json
    if not isinstance(said, dict):
        return None
    return {
        "content": chat_markup.markdown(said.get("content", "")),
        "embeds": [_embed(one) for one in said.get("embeds", ())],
    }


def _embed(embed: dict[str, Any]) -> dict[str, Any]:
    fields = [(one["name"], chat_markup.markdown(one["value"])) for one in embed.get("fields", ())]
    return {
        "tone": _DISCORD_TONES.get(embed.get("color", 0), "rest"),
        "title": chat_markup.markdown(embed.get("title", "")),
        "description": chat_markup.markdown(embed.get("description", "")),
        "fields": fields,
        "footer": embed.get("footer", {}).get("text", ""),
    }


def _teams(request: Request) -> dict[str, Any] | None:
    said = request.json
    if not isinstance(said, dict) or not said.get("attachments"):
        return None
    card = said["attachments"][0]["content"]
    return {
        "parts": [_element(one) for one in card["body"]],
        "buttons": [one["title"] for one in card.get("actions", ())],
    }


def _element(element: dict[str, Any]) -> dict[str, Any]:
    match element["type"]:
        case "Container":
            tone = _TEAMS_TONES.get(element.get("style", ""), "rest")
            return {"type": "box", "tone": tone, "parts": [_element(one) for one in element["items"]]}
        case "FactSet":
            return {
                "type": "facts",
                "rows": [(one["title"], chat_markup.markdown(one["value"])) for one in element["facts"]],
            }
        case "RichTextBlock":
            return {"type": "mono", "text": "".join(run["text"] for run in element["inlines"])}
    look = " ".join(
        filter(None, (element.get("weight", ""), element.get("size", ""), "subtle" * bool(element.get("isSubtle"))))
    )
    return {"type": "text", "look": look.lower(), "text": chat_markup.markdown(element.get("text", ""))}


# What a person holds in the hand: a chat, a push message, a text message; and what pages people.


def _chat(request: Request) -> dict[str, Any] | None:
    said = _said(request)
    text = _first(said, _TEXTS)
    if not text:
        return None
    is_html = str(said.get("parse_mode", "")).upper() == "HTML"
    keyboard = (
        (said.get("reply_markup") or {}).get("inline_keyboard", ())
        if isinstance(said.get("reply_markup"), dict)
        else ()
    )
    return {
        "text": chat_markup.telegram(text) if is_html else chat_markup.plain(text),
        "buttons": [button["text"] for row in keyboard for button in row],
        "silent": bool(said.get("disable_notification")),
        "reply": bool(said.get("reply_parameters")),
    }


def _push(request: Request) -> dict[str, Any] | None:
    said = _said(request)
    title, text = _first(said, _TITLES), _first(said, _TEXTS)
    if not text:
        return None
    buttons = [one.get("label", "") for one in said.get("actions", ()) if isinstance(one, dict)]
    return {
        "title": title,
        "text": chat_markup.plain(text),
        "buttons": buttons or [said.get("url_title") or "Open"] * bool(_first(said, _LINKS)),
        "priority": said.get("priority"),
        "tags": said.get("tags") if isinstance(said.get("tags"), list) else [],
    }


def _sms(request: Request) -> dict[str, Any] | None:
    said = _said(request)
    text = str(said.get("Body") or _first(said, _TEXTS))
    if not text:
        return None
    plain = bool(GSM.fullmatch(text))
    one, many = (160, 153) if plain else (70, 67)
    parts = 1 if len(text) <= one else -(-len(text) // many)
    return {"text": chat_markup.plain(text), "sender": said.get("From", ""), "letters": len(text), "parts": parts}


def _pager(request: Request) -> dict[str, Any] | None:
    said = _said(request)
    payload = said.get("payload") if isinstance(said.get("payload"), dict) else said
    assert isinstance(payload, dict)
    details = payload.get("custom_details") or payload.get("details") or {}
    action = urlsplit(request.url).path.rstrip("/").rpartition("/")[2]
    return {
        "action": said.get("event_action") or (action if action in ("acknowledge", "close") else "create"),
        "title": payload.get("summary") or payload.get("message") or said.get("dedup_key") or said.get("note") or "",
        "severity": payload.get("severity") or payload.get("priority") or "",
        "text": payload.get("description", ""),
        "details": [(name, _lines(value)) for name, value in details.items()],
        "links": [one.get("text", "") for one in said.get("links", ()) if isinstance(one, dict)],
    }


def _request(_: Request) -> None:
    return None


DRAWINGS: Mapping[str, Callable[[Request], dict[str, Any] | None]] = {
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
    "chat": _chat,
    "push": _push,
    "sms": _sms,
    "pager": _pager,
    "mail": _request,
    "request": _request,
}
"""By name: what a template in gallery/ draws. None: what was sent is not of that form, and is shown as a request."""


def _mail(mail: EmailMessage) -> dict[str, Any]:
    text = mail.get_body(("plain",))
    shown = ("From", "To", "Message-ID", "In-Reply-To", "List-Unsubscribe")
    return {
        "subject": mail["Subject"],
        "headers": [(name, mail[name]) for name in shown if mail[name]],
        "text": text.get_content() if text else "",
    }


def html(captured: Captured) -> str:
    """The HTML of the mail that was sent; empty if none was."""
    part = captured.mails[0].get_body(("html",)) if captured.mails else None
    return str(part.get_content()) if part else ""


def _said(request: Request) -> dict[str, Any]:
    """What the request says by name, wherever it says it: JSON, a form, or headers with a text."""
    if isinstance(request.json, dict):
        return request.json
    headers = {name.lower().removeprefix("x-"): value for name, value in request.headers.items()}
    return _form(request) or {**headers, "message": request.body.decode("utf-8", "replace")}


def _form(request: Request) -> dict[str, str]:
    if "form-urlencoded" not in request.headers.get("Content-Type", ""):
        return {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(said[name]) for name in names if said.get(name)), "")


def _lines(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
