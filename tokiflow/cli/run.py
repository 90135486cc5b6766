"""`tokiflow run -- command`: run a scheduled job and tell its monitor how it went.

The job comes first. It starts before anything is sent, it runs whether or not Tokiflow can be reached, and its
exit code is ours. Nothing is imported before the job runs that it does not need.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from tokiflow.cli import _child
from tokiflow.cli._capture import Capture

if TYPE_CHECKING:
    from tokiflow.cli._ping_client import PingUrl

START_BUDGET = 5.0
FINISH_BUDGET = 30.0
# Somebody who signals us again after the job has ended wants us gone: this many seconds are left to report.
HURRIED_BUDGET = 3.0
# A server may answer so slowly, byte by byte, that no time-out of the client notices: this much beyond is allowed.
SLACK = 2.0
_UNITS = {"": 1, "B": 1, "K": 1024, "KB": 1024, "KIB": 1024, "M": 1024**2, "MB": 1024**2, "MIB": 1024**2}


class Size(click.ParamType[int]):
    """A number of bytes: `32KB`, `1MB`, `500`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9})\s*([A-Za-z]*)", str(value).strip(), re.ASCII)
        if not match or match[2].upper() not in _UNITS:
            self.fail(f"{value!r} is not a size; write for example 32KB or 1MB", param, ctx)
        return int(match[1]) * _UNITS[match[2].upper()]


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option(
    "--monitor",
    envvar="TOKIFLOW_MONITOR",
    show_envvar=True,
    metavar="TOKEN|URL",
    default="",
    help="Ping URL of the monitor, or its token alone (then TOKIFLOW_URL says where Tokiflow is).",
)
@click.option("--env", "environment", metavar="NAME", help="Environment the job runs in, such as production.")
@click.option(
    "--no-output",
    is_flag=True,
    help="Send no output, and leave the command its own streams: for one that wants a terminal or leaves a daemon.",
)
@click.option(
    "--max-output",
    type=Size(),
    default="32KB",
    show_default=True,
    help="Send at most this much output: the first and the last half of it.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(monitor: str, environment: str | None, no_output: bool, max_output: int, command: tuple[str, ...]) -> None:
    """Run COMMAND and tell its monitor: started, its output, how long it took, its exit code.

    The output appears as always, and the exit code is the command's own (128+N when signal N ended it). The
    command runs even when Tokiflow cannot be reached.

    \b
    In a crontab:
      0 2 * * *  tokiflow run --monitor https://tokiflow.example.com/ping/... -- /usr/local/bin/backup.sh
    """
    capture = None if no_output else Capture(max_output)
    raise SystemExit(watch(command, Report(monitor, environment), capture))


def watch(command: Sequence[str], report: Report, capture: Capture | None) -> int:
    """Run `command`, reporting to `report`. Returns the exit code."""
    _child.open_standard_streams()
    signals = _child.Signals()
    signals.catch()
    ending = _child.execute(command, signals, capture, on_start=report.start)
    if ending.problem:
        _child.tell(ending.problem)
    report.finish(ending, capture.body() if capture else b"")
    problem = report.wait(signals)
    if problem:
        _child.tell(problem)
    return ending.code


@dataclass
class Report:
    """What is told to the monitor about one run, in order, from a thread of its own."""

    monitor: str
    environment: str | None
    _problem: str = ""
    _ending: _child.Ending | None = None
    _body: bytes = b""
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to tell that the run has started. Returns at once."""
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._thread.start()

    def finish(self, ending: _child.Ending, body: bytes) -> None:
        """Tell, after the start, how the run ended. Returns at once."""
        self._ending, self._body = ending, body or f"{ending.problem}\n".encode() * bool(ending.problem)
        self._ended.set()

    def wait(self, signals: _child.Signals) -> str:
        """Wait until everything is told or the time for it is up. Returns what went wrong, or the empty string."""
        deadline = time.monotonic() + START_BUDGET + FINISH_BUDGET + SLACK
        while self._thread and self._thread.is_alive() and time.monotonic() < deadline:
            if signals.after_the_end:
                deadline = min(deadline, time.monotonic() + HURRIED_BUDGET)
                signals.after_the_end = False
            self._thread.join(0.05)
        if self._thread and self._thread.is_alive():
            return "the result was not reported: it took too long"
        return self._problem

    def _tell(self) -> None:
        # Imported here, in the thread: the HTTP client takes longer to load than the job to start.
        from tokiflow.cli import _ping_client as client

        try:
            url = client.PingUrl.resolve(self.monitor, os.environ)
        except client.Unusable as error:
            self._problem = f"{error}; the command ran unwatched"
            return
        try:
            self._problem = self._tell_both(client.send, url)
        except Exception as error:
            # Whatever this is, it is ours and not the job's; and its text might show the token.
            self._problem = f"the result was not reported: {type(error).__name__}"

    def _tell_both(self, send: Callable[..., str], url: PingUrl) -> str:
        common = {"rid": _random_uuid()} | ({"env": self.environment} if self.environment else {})
        late = send(url, "start", common, b"", budget=START_BUDGET, tries=2)
        self._ended.wait()
        assert self._ending is not None
        result = common | {"durationMs": str(round(self._ending.seconds * 1000))}
        lost = send(url, str(self._ending.code), result, self._body, budget=FINISH_BUDGET, tries=100)
        if lost:
            return f"the result was not reported: {lost}"
        return f"the start was not reported, the result was: {late}" if late else ""


def _random_uuid() -> str:
    import uuid

    return str(uuid.uuid4())
