"""Webhook: an address, a secret to sign with, headers and a body of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wtforms import BooleanField, SelectField, StringField, TextAreaField

from tokiflow import errors
from tokiflow.channels.webhook import METHODS
from tokiflow.web.forms.channel import ChannelForm, lines


class WebhookForm(ChannelForm):
    kind = "webhook"

    url = StringField("Address")
    secret = StringField("Signing secret")
    unsigned = BooleanField("Send without a signature")
    method = SelectField("Method", choices=list(METHODS))
    headers = TextAreaField("Headers")
    template = TextAreaField("Body")

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "url": self.url.data or "",
            "method": self.method.data or "",
            "headers": _read_headers(self.headers.data),
            "template": self.template.data or None,
        }
        if self.unsigned.data:
            config["secret"] = None
        elif secret := (self.secret.data or "").strip():
            config["secret"] = secret
        return config

    @classmethod
    def values(cls, public: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "url": public.get("url", ""),
            "method": public.get("method", METHODS[0]),
            "headers": "\n".join(f"{name}: {value}" for name, value in (public.get("headers") or {}).items()),
            "template": public.get("template") or "",
        }


def _read_headers(text: str | None) -> dict[str, str]:
    """`Authorization: Bearer …`, one a line. Raises Invalid for a line without a colon."""
    found: dict[str, str] = {}
    for line in lines(text):
        name, colon, value = line.partition(":")
        if not colon:
            raise errors.Invalid({"config.headers": [f"“{line[:40]}” has no colon; write it like Name: value"]})
        found[name.strip()] = value.strip()
    return found
