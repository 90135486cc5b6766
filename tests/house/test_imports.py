"""What a process loads it pays for as long as it lives: nobody carries what only others need."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.fixtures.instance import ROOT

SELDOM = {"alembic", "apprise", "authlib", "boto3", "httpx", "joserfc", "requests", "sentry_sdk", "stripe", "webauthn"}
"""For a migration, a sign-in with Google or a passkey, a bucket, an alert by Apprise: loaded by who needs them."""

DOORS = {
    "tokiflow.api", "tokiflow.app", "tokiflow.extensions", "tokiflow.ping", "tokiflow.web",
    "flask_limiter", "flask_wtf", "limits", "prometheus_client", "wtforms",
}  # fmt: skip

PAGES = """
from tests.observability.given import settings_with
from tokiflow.app import create_app
create_app(settings_with())
"""
BEHIND_THE_DOORS = """
import importlib, pkgutil
import jobs, tokiflow.cli.clock, tokiflow.cli.worker, tokiflow.services
from tests.observability.given import settings_with
from tokiflow.bare import create_bare_app
create_bare_app(settings_with())
for room in (jobs, tokiflow.services):
    for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)
"""


def test_pages_do_without_what_is_seldom_used() -> None:
    loaded = loaded_after(PAGES)
    assert loaded >= DOORS - {"tokiflow.ping"}
    assert not loaded & SELDOM


def test_clock_and_worker_do_without_pages() -> None:
    loaded = loaded_after(BEHIND_THE_DOORS)
    assert "tokiflow.services.overdue" in loaded
    assert not loaded & (DOORS | SELDOM)


def loaded_after(program: str) -> set[str]:
    """The modules that a fresh Python has loaded after `program`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json, sys; print(json.dumps([*sys.modules]))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))
