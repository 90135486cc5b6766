"""Settings for processes that need no servers."""

from __future__ import annotations

from tokiflow import settings
from tokiflow.settings import Settings


def settings_with(**values: str) -> Settings:
    """Valid settings, with `values` by the names of their environment variables."""
    required = {
        "TOKIFLOW_ENV": "development",
        "SECRET_KEY": "fJ3kQz8LwXv1NpYb7TgRm5HsCd0UeAo2",
        "DATABASE_URL": "postgresql://user:password@host/tokiflow",
        "REDIS_URL": "redis://host",
    }
    return settings.load(required | values)
