"""`tokiflow`, but for jobs: they write down what they were asked for. For tests of what is between a ring and a job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from uuid import UUID

from tokiflow.queue import Job

HANGS, FAILS = UUID(int=1), UUID(int=2)


def main() -> None:
    """Run the command with other jobs."""
    from tokiflow.cli import main as tokiflow

    for job in Job:
        module, _, name = job.rpartition(".")
        setattr(import_module(module), name, _noting(job))
    tokiflow(prog_name="tokiflow")


def _noting(job: Job) -> Callable[[list[str]], None]:
    def note(ids: list[str]) -> None:
        if str(HANGS) in ids:
            time.sleep(600)
        if str(FAILS) in ids:
            raise ArithmeticError
        Path(job).write_text(json.dumps(ids))

    return note


if __name__ == "__main__":
    main()
