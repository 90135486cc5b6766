"""How to tell people: one file per kind of channel. A new kind is a file here and a line in `KINDS`."""

from __future__ import annotations

from tokiflow import errors
from tokiflow.channels.base import ChannelKind, with_kept_secrets
from tokiflow.channels.discord import Discord
from tokiflow.channels.email import Email
from tokiflow.channels.long_tail import Apprise
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.ntfy import Ntfy
from tokiflow.channels.opsgenie import Opsgenie
from tokiflow.channels.outside import Outside
from tokiflow.channels.pagerduty import PagerDuty
from tokiflow.channels.pushover import Pushover
from tokiflow.channels.slack import Slack
from tokiflow.channels.slack_app import SlackApp
from tokiflow.channels.sms import Sms
from tokiflow.channels.teams import Teams
from tokiflow.channels.telegram import Telegram
from tokiflow.channels.webhook import Webhook

__all__ = ["KINDS", "ChannelKind", "Message", "Outside", "Receipt", "get", "with_kept_secrets"]

KINDS: tuple[ChannelKind, ...] = (
    Email(),
    SlackApp(),
    Slack(),
    Discord(),
    Teams(),
    Telegram(),
    Ntfy(),
    Pushover(),
    PagerDuty(),
    Opsgenie(),
    Sms(),
    Webhook(),
    Apprise(),
)
_BY_NAME = {kind.kind: kind for kind in KINDS}


def get(kind: str) -> ChannelKind:
    """The channel kind called `kind`. Raises Invalid for a word that is none."""
    if kind not in _BY_NAME:
        raise errors.Invalid({"kind": [f"'{kind[:40]}' is no kind of channel; write one of {', '.join(_BY_NAME)}"]})
    return _BY_NAME[kind]
