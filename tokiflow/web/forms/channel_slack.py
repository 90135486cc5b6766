"""Slack: the address of an incoming webhook, which is a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wtforms import StringField

from tokiflow.web.forms.channel import ChannelForm


class SlackForm(ChannelForm):
    kind = "slack"

    url = StringField("Webhook address")

    def config(self) -> dict[str, Any]:
        written = (self.url.data or "").strip()
        return {"url": written} if written else {}

    @classmethod
    def values(cls, public: Mapping[str, Any]) -> dict[str, Any]:
        return {}
