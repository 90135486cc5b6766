"""`tokiflow …` on the database of the test, as scripts call it and as it works within."""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
from collections.abc import Callable
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from flask import Flask

from tests.fixtures.database import Database
from tests.fixtures.instance import ROOT
from tokiflow.cli import main

Command = Callable[..., subprocess.CompletedProcess[str]]
"""`command(*arguments, **variables)`: how it ended, and what it printed."""


@pytest.fixture
def called(app: Flask, database: Database) -> Command:
    """`called("api-key", "list")`: a process of its own, which takes a second to start."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tokiflow.cli", *map(str, arguments)],
            env={"PATH": "/usr/bin:/bin", **database.environment, **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def typed(app: Flask, database: Database) -> Command:
    """`typed("api-key", "list")`: the same in this process, for stories that are not about the process. It starts
    from the same variables and nothing else, with an app and connections of its own."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        alone = {"PATH": "/usr/bin:/bin", **database.environment, **variables}
        with patch.dict(os.environ, alone, clear=True):
            done = contextvars.Context().run(CliRunner().invoke, main, words, prog_name="tokiflow")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    return run
