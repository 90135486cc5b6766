"""A disk whose fsync takes as long as we say.

Caches make the disk of one machine look ten times as fast as that of another, and durable writes are all about it. So
PostgreSQL is started with a small library (`slow_disk.c`, compiled on the spot) in front of the C library's `fsync`
and `fdatasync`: the real call is made, and what is missing to the wanted time is slept. PostgreSQL's own settings stay
as they are; `commit_delay` would not do, as it makes commits wait for company, which is what we want to see.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from tokiflow.local.folder import DataFolder
from tokiflow.local.postgres import Postgres
from tokiflow.local.processes import Spec

SOURCE = Path(__file__).with_name("slow_disk.c")


class SlowPostgres(Postgres):
    """PostgreSQL on a disk whose sync takes `fsync_ms` milliseconds, or longer if the real one does.

    Only where `is_possible()`. The library is put into the data folder's parent, which everyone can enter.
    """

    def __init__(self, folder: DataFolder, sockets: Path, fsync_ms: float) -> None:
        super().__init__(folder, sockets)
        library = _compiled(folder.path.parent)
        self._slow = {"LD_PRELOAD": str(library), "FSYNC_MS": str(fsync_ms)}

    def _spec(self, command: list[str]) -> Spec:
        spec = super()._spec(command)
        return replace(spec, environment={**spec.environment, **self._slow})


def is_possible() -> bool:
    """Whether there is a C compiler."""
    return shutil.which("cc") is not None


def _compiled(place: Path) -> Path:
    library = place / "slow_disk.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(library), "-ldl"], check=True)
    library.chmod(0o755)  # as root, PostgreSQL runs as `nobody` and has to read it
    return library
