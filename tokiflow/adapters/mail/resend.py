"""Resend, a provider that takes mail over HTTP (https://resend.com/docs/api-reference/emails/send-email)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from tokiflow.adapters.mail import contents
from tokiflow.core import ids
from tokiflow.errors import DeliveryError

if TYPE_CHECKING:
    from tokiflow.adapters.http import Client, OutboundResponse

PATIENCE = 2.0
"""Seconds: when Resend asks for no more than this, it is waited for, up to three times."""
API = "https://api.resend.com"


@dataclass(frozen=True, repr=False)
class Resend:
    """An account at Resend."""

    api_key: str
    client: Client
    api: str = API

    def send(self, message: EmailMessage) -> str:
        """The id Resend gave the mail. The Message-ID is its idempotency key, so a retry arrives once."""
        answer = self._ask(message)
        said = _parsed(answer)
        # The same key with another body: the first try did arrive, and only its answer was lost.
        if answer.status_code == 409 and said.get("name") == "invalid_idempotent_request":
            return "taken by Resend in an earlier try"
        if not 200 <= answer.status_code < 300:
            raise _resend_error(answer, said, contents.recipients_of(message))
        return f"taken by Resend as {said.get('id', 'unknown')}"

    def _ask(self, message: EmailMessage) -> OutboundResponse:
        """Resend takes two requests a second by default; a mail for each of three addresses is more already."""
        key = str(message["Message-ID"] or ids.new()).strip("<>")
        body = _resend_body(message)
        headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": key}
        for again in (True, True, True, False):
            answer = self.client.send("POST", f"{self.api}/emails", json=body, headers=headers, timeout=5.0)
            wait = answer.retry_after
            if not (again and answer.status_code == 429 and wait is not None and wait <= PATIENCE):
                break
            time.sleep(wait)
        return answer


# Resend writes these itself; the rest of the headers are handed over as they are.
_RESEND_OWN = frozenset({"from", "to", "cc", "subject", "date", "mime-version", "content-type", "message-id"})


def _resend_body(message: EmailMessage) -> dict[str, Any]:
    return {
        "from": str(message["From"]),
        "to": contents.recipients_of(message),
        "subject": str(message["Subject"]),
        "text": contents.text(message, "plain"),
        "html": contents.text(message, "html"),
        "headers": {name: str(value) for name, value in message.items() if name.lower() not in _RESEND_OWN},
    }


def _resend_error(answer: OutboundResponse, said: dict[str, Any], recipients: Sequence[str]) -> DeliveryError:
    """Permanent only where Resend complains of the recipients; keys and limits are the operator's to mend."""
    about = str(said.get("message", ""))
    theirs = answer.status_code == 422 and "`to`" in about
    return DeliveryError(
        f"Resend answered {answer.status_code}: {about or 'nothing'}"[:500],
        permanent=theirs,
        refused=dict.fromkeys(recipients, about[:500]) if theirs and len(recipients) == 1 else None,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=answer.text[:2_000],
    )


def _parsed(answer: OutboundResponse) -> dict[str, Any]:
    try:
        said = json.loads(answer.content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
