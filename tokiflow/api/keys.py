"""Who is calling: the API key in `Authorization: Bearer …`, and nothing else."""

from __future__ import annotations

from flask import g, request

from tokiflow import errors
from tokiflow.api import moments
from tokiflow.api.operations import Scope
from tokiflow.models import ApiKey
from tokiflow.observability import requests as request_log
from tokiflow.queries import api_keys

REALM = 'Bearer realm="Tokiflow API"'


class NoKey(errors.Unauthorized):
    """There is no key, or not a good one."""

    challenge = REALM

    def __init__(self, message: str, error: str = "") -> None:
        super().__init__(message)
        self.challenge = f'{REALM}, error="{error}"' if error else REALM


class OutOfScope(errors.Forbidden):
    """The key is good, but not for this."""

    def __init__(self, message: str, scope: Scope) -> None:
        super().__init__(message)
        self.challenge = f'{REALM}, error="insufficient_scope", scope="{scope.value}"'


def authenticate() -> ApiKey:
    """The key of this request, from here on the current one. Raises NoKey."""
    scheme, _, text = request.headers.get("Authorization", "").strip().partition(" ")
    if not scheme:
        raise NoKey("Send a key: Authorization: Bearer tfk_… (made in Settings → API keys).")
    if scheme.lower() != "bearer" or not text.strip():
        raise NoKey("Write the header like this: Authorization: Bearer tfk_…", "invalid_request")
    found = api_keys.authenticate(text.strip(), moments.now())
    if found is None:
        raise NoKey("This key is not known here, or it has expired or been revoked.", "invalid_token")
    g.api_key = found
    request_log.bind_organization(found.organization_id)
    return found


def current() -> ApiKey:
    """The key of this request."""
    found: ApiKey = g.api_key
    return found


def check(scope: Scope) -> None:
    """Raise OutOfScope unless the current key has `scope`."""
    if scope.value not in current().scopes:
        raise OutOfScope(f"This key does not have the scope “{scope.value}”; make one that has.", scope)
