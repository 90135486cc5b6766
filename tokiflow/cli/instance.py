"""How a command finds the instance that `tokiflow up` runs on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from tokiflow.errors import TokiflowError
from tokiflow.local.folder import DataFolder, default


def load_environment(data: str | None) -> None:
    """Put the settings of the instance that works in `data` into os.environ.

    An explicit `data` always wins. Without it, DATABASE_URL in the environment means that everything is said already;
    else the folder is TOKIFLOW_DATA or the default one. Raises TokiflowError, saying what to do, when none runs there.
    """
    if not data and os.environ.get("DATABASE_URL"):
        return
    chosen = data or os.environ.get("TOKIFLOW_DATA") or str(default())
    folder = DataFolder(Path(chosen))
    if not folder.is_running() or not folder.instance.is_file():
        raise TokiflowError(
            f"Tokiflow is not running on the data in {folder.path}. Start it with: tokiflow up --data {folder.path} "
            "(or name other data with --data, or a database with DATABASE_URL)"
        )
    try:
        lines = folder.instance.read_text(encoding="utf-8").splitlines()
    except PermissionError:
        raise TokiflowError(f"Only the account that runs Tokiflow may do this; it owns {folder.instance}") from None
    for line in lines:
        name, _, value = line.partition("=")
        os.environ[name] = value
