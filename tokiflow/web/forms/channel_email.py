"""E-mail: up to 20 addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wtforms import TextAreaField

from tokiflow.web.forms.channel import ChannelForm


class EmailForm(ChannelForm):
    kind = "email"

    to = TextAreaField("Addresses")

    def config(self) -> dict[str, Any]:
        return {"to": self.to.data or ""}

    @classmethod
    def values(cls, public: Mapping[str, Any]) -> dict[str, Any]:
        return {"to": "\n".join(public.get("to", ()))}
