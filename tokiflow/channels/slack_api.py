"""Slack's web API, spoken by the installed app: https://docs.slack.dev/apis/web-api

Every answer is JSON with `ok`; where it is false, `error` is a word that says why. Which of those words mean that
trying again can't help is told here, in one place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from tokiflow.channels import text
from tokiflow.channels.outside import Answer, Http
from tokiflow.errors import DeliveryError

SLACK = "https://slack.com"

REMOVED = frozenset({"token_revoked", "account_inactive", "invalid_auth", "not_authed", "token_expired"})
"""The app is no longer in the workspace."""

MESSAGE_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
"""The message that was to be changed or answered is not there any more, or not ours."""

BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_attachments", "too_many_attachments"})

_PERMANENT = {
    **dict.fromkeys(REMOVED, "Tokiflow’s app was removed from this workspace; add it again"),
    "channel_not_found": "there is no such channel, or it is private: invite the app there with /invite",
    "not_in_channel": "the app is not in this channel: invite it there with /invite",
    "is_archived": "the channel is archived",
    "missing_scope": "the app may not do this; add it to the workspace again",
    "no_permission": "the app may not do this; add it to the workspace again",
    "restricted_action": "the workspace does not let apps write in this channel",
    "restricted_action_read_only_channel": "nobody may write in this channel",
    "restricted_action_thread_only_channel": "only threads may be written in this channel",
    "restricted_action_non_threadable_channel": "no threads may be written in this channel",
    "team_access_not_granted": "the organization does not let the app into this workspace",
    "access_denied": "the workspace does not let the app do this",
    "ekm_access_denied": "the workspace’s administrators have suspended writing",
    "team_not_found": "the workspace is gone",
}


class SlackRefused(DeliveryError):
    """Slack answered, and said no. `code` is its word for why: "channel_not_found"."""

    def __init__(self, code: str, answer: Answer) -> None:
        super().__init__(
            explained(code),
            permanent=code in _PERMANENT,
            retry_after=answer.retry_after,
            status_code=answer.status_code,
            response=code,
        )
        self.code = code


def explained(code: str) -> str:
    """What Slack's word means, where it is one that people can do something about."""
    return f"Slack answered {code}" + (f": {_PERMANENT[code]}" if code in _PERMANENT else "")


@dataclass(frozen=True)
class SlackApi:
    """Calls of Slack's methods. `base` is where Slack is: "https://slack.com"."""

    http: Http
    base: str = SLACK

    def call(self, method: str, token: str, arguments: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        """What `method` answered, for methods that take JSON (those that write). Raises DeliveryError."""
        content = json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace")
        return self._called(method, content, "application/json; charset=utf-8", token, timeout)

    def ask(self, method: str, token: str, arguments: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        """The same for methods that take only forms (those that read, and those of OAuth)."""
        content = urlencode(arguments).encode()
        return self._called(method, content, "application/x-www-form-urlencoded", token, timeout)

    def _called(self, method: str, content: bytes, content_type: str, token: str, timeout: float) -> dict[str, Any]:
        headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"{base(self.base)}/api/{method}"
        return _read(self.http.send("POST", url, content=content, headers=headers, timeout=timeout))


def base(address: str) -> str:
    """`address` without what people write behind it: a slash, or the `/api` that every call begins with."""
    return address.rstrip("/").removesuffix("/api").rstrip("/") or SLACK


def is_slacks(url: str, address: str) -> bool:
    """Whether `url` leads to Slack itself, or to the stand-in for it at `address`."""
    try:
        parts, ours = urlsplit(url), urlsplit(base(address))
        same = (parts.scheme, parts.hostname, parts.port) == (ours.scheme, ours.hostname, ours.port)
    except ValueError:
        return False
    if "@" in parts.netloc:
        return False
    host = parts.hostname or ""
    return same or (parts.scheme == "https" and not parts.port and (host == "slack.com" or host.endswith(".slack.com")))


def _read(answer: Answer) -> dict[str, Any]:
    try:
        said = json.loads(answer.text)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and said.get("ok") is True and 200 <= answer.status_code < 300:
        return said
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        raise SlackRefused(text.line(said["error"], 100), answer)
    raise DeliveryError(
        f"Slack answered {answer.status_code} with something that is no answer",
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=text.line(answer.text, 200),
    )
