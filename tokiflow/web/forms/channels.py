"""Which form belongs to which kind of channel. A new kind is a file beside this one and a line here."""

from __future__ import annotations

from tokiflow import errors
from tokiflow.web.forms.channel import ChannelForm
from tokiflow.web.forms.channel_email import EmailForm
from tokiflow.web.forms.channel_slack import SlackForm
from tokiflow.web.forms.channel_webhook import WebhookForm

FORMS: tuple[type[ChannelForm], ...] = (EmailForm, SlackForm, WebhookForm)
_BY_KIND = {form.kind: form for form in FORMS}


def of(kind: str) -> type[ChannelForm]:
    """The form for channels of `kind`. Raises NotFound."""
    if kind not in _BY_KIND:
        raise errors.NotFound
    return _BY_KIND[kind]
