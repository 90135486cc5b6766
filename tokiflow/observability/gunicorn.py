"""gunicorn's logging, brought into ours: `gunicorn --logger-class tokiflow.observability.gunicorn.Logger`."""

from __future__ import annotations

from typing import Any

from gunicorn import glogging  # type: ignore[import-untyped]


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Hands gunicorn's messages to the root logger, which `logs.configure` has set up, and keeps no access log:
    `observability.requests` tells of requests, without the raw paths that hold tokens."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Say nothing: see the class."""
