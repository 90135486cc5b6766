"""An embedded Valkey on a unix socket, with its append-only file in the data folder.

What is in it can be lost: rows are the truth and the queue is only the doorbell. So a file that Valkey can't read
any more is put aside, and the start goes on.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

from tokiflow.errors import TokiflowError
from tokiflow.local import processes, programs
from tokiflow.local.folder import DataFolder

START_SECONDS = 30.0
ORPHAN_SECONDS = 5.0


NOISE = ("WARNING Memory overcommit", "scheduling shutdown", "is now ready to exit")
"""What it says at its quietest level that concerns nobody: tuning for big caches, and goodbyes."""


class Valkey:
    """One Valkey for the data in `folder`; `prepare()` once, then `start()`, and `start()` again after it died."""

    stop_signal = signal.SIGTERM

    def __init__(self, folder: DataFolder, sockets: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.durable = durable
        self.socket = sockets / "valkey.sock"
        self.note = folder.run / "valkey.pid"

    def url(self, database: int = 0) -> str:
        """How to reach it, in the form REDIS_URL has."""
        return f"unix://{quote(str(self.socket), safe='/')}?db={database}"

    def prepare(self) -> None:
        """End a server that a killed parent left behind."""
        self.end_orphan()

    def end_orphan(self) -> int | None:
        """End a server of ours that outlived its parent; its pid if there was one."""
        return processes.end_orphan(self.note, self.stop_signal, ORPHAN_SECONDS)

    def start(self, output: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Start the server; what it says goes to `output`."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder.valkey),
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "databases": "64",
            "loglevel": "warning",
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
        }
        command = [str(programs.valkey())]
        for name, value in options.items():
            command += [f"--{name}", value]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        process = processes.start(processes.Spec("valkey", command, environment, self.stop_signal), output=output)
        processes.remember(process.pid, self.note)
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Return when it answers. Raises TokiflowError if it stops or does not."""
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.poll() is not None:
                raise TokiflowError(f"Valkey stopped while starting (exit code {process.returncode})")
            if time.monotonic() > until:
                raise TokiflowError(f"Valkey did not start within {START_SECONDS:.0f} s")
            time.sleep(processes.POLL_SECONDS)

    def answers(self) -> bool:
        """Whether it takes commands (it does not while it reads its file)."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def put_aside(self) -> Path:
        """Move its files out of the way, and begin anew. The folder they are in now."""
        aside = self.folder.valkey.with_name(f"valkey.unreadable-{int(time.time())}")
        self.folder.valkey.rename(aside)
        self.folder.valkey.mkdir(mode=0o700)
        return aside
