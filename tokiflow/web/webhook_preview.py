"""What a webhook will send, shown before it is saved: the whole request, for every kind of message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tokiflow import channels
from tokiflow.adapters.http import USER_AGENT
from tokiflow.channels import examples
from tokiflow.channels.webhook import Request, Webhook, masked_request

KIND = "webhook"
SOMEWHERE = "https://example.com/"
"""Where it goes while no address is written yet."""


@dataclass(frozen=True)
class Shown:
    """One request: when it is sent, and all of it as text."""

    when: str
    text: str


def of(written: Mapping[str, Any], stored: Mapping[str, Any], now: datetime) -> list[Shown]:
    """The requests that a channel would send whose form says `written`, where `stored` is kept. Raises Invalid."""
    kind = channels.get(KIND)
    assert isinstance(kind, Webhook)
    merged = channels.with_kept_secrets(kind, stored, {**stored, **written})
    config = kind.current(kind.validate({**merged, "url": merged.get("url") or SOMEWHERE}), now)
    return [
        Shown(when, _text(masked_request(kind.request(config, message), config["headers"]), config["template"] is None))
        for when, message in examples.MESSAGES.items()
    ]


def _text(request: Request, ours: bool) -> str:
    """The request as it goes over the wire; JSON of ours with its lines broken, for reading."""
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Host": parts.netloc,
        "User-Agent": USER_AGENT,
        "Content-Length": str(len(request.content)),
        **request.headers,
    }
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    body = request.content.decode()
    if ours:
        body = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    return "\n".join([*lines, "", body])
