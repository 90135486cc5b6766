"""Load from wrk: so many connections, each sending the next ping as soon as the last is answered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
LATE_SECONDS = 10
"""Later answers count as errors. wrk keeps a counter for each microsecond up to here."""


def require_wrk() -> None:
    """Install wrk where we may, and say how where we may not."""
    if shutil.which("wrk"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("The bench needs wrk to make load. On Debian: sudo apt-get install wrk")
    print("Installing wrk to make load…", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "wrk"]):
        subprocess.run(["apt-get", *command], env=environment, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Load:
    """How the pings come: over how many connections, kept or made anew for each, and how many bytes of output."""

    connections: int
    keep_alive: bool = True
    body_bytes: int = 0

    @property
    def method(self) -> str:
        return "POST" if self.body_bytes else "GET"

    def __str__(self) -> str:
        kept = "kept" if self.keep_alive else "new each time"
        return f"{self.method}{' 1 KB' if self.body_bytes else ''}, {self.connections} {kept}"


@dataclass(frozen=True)
class Report:
    """What wrk saw. `refused` are answers other than 2xx and 3xx, `broken` socket errors, `late` answers after
    `LATE_SECONDS`. The percentiles are wrk's, corrected for the requests that a slow answer held up."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int = 0
    broken: int = 0
    late: int = 0

    @property
    def acknowledged(self) -> int:
        """How many were told OK. What was under way at the end is not among them."""
        return self.requests - self.refused

    @property
    def a_second(self) -> float:
        return self.acknowledged / self.seconds

    @property
    def errors(self) -> int:
        return self.refused + self.broken + self.late


def parse(output: str) -> Report:
    """The report in what wrk printed. Raises ValueError when there is none."""
    said = next((line for line in reversed(output.splitlines()) if line.startswith("{")), "")
    if not said:
        raise ValueError(f"wrk gave no report:\n{output}")
    found = json.loads(said)
    return Report(
        requests=found["requests"],
        seconds=found["microseconds"] / 1e6,
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
        refused=found["refused"],
        broken=found["broken"],
        late=found["late"],
    )


def run(load: Load, url: str, paths: Path, seconds: int) -> Report:
    """Send requests for the `paths` in that file to `url` for so long."""
    with running(load, url, paths, seconds) as wrk:
        output, _ = wrk.communicate()
    if wrk.returncode != 0:
        raise RuntimeError(f"wrk failed (exit code {wrk.returncode}):\n{output}")
    return parse(output)


@contextmanager
def running(load: Load, url: str, paths: Path, seconds: int) -> Iterator[subprocess.Popen[str]]:
    """The same in the background; over when the block is left."""
    command = ["wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", f"--timeout={LATE_SECONDS}s", f"-s{SCRIPT}"]
    kept = "keep-alive" if load.keep_alive else "close"
    command += [url, "--", str(paths), load.method, kept, str(load.body_bytes)]
    wrk = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield wrk
    finally:
        wrk.kill()
        wrk.wait()
