"""A parent for all processes of one instance: starts them again when they die, and stops them in order.

waiting ──start──▶ running ──dies──▶ waiting (half a second, then 1, 2, 4 … 30)
                      └────stop────▶ gone
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tokiflow.errors import TokiflowError
from tokiflow.local import processes
from tokiflow.local.console import Console

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 30.0
"""A process that lived this long was well; its next death is a first one again."""

HOPELESS_DEATHS = 5
"""So many deaths in a row before anything ever worked: trying on would only fill the screen."""

POLL_SECONDS = 0.1


@dataclass
class Child:
    """One supervised process. `start` makes it, `patience` is how many seconds it gets to stop.

    A `precious` one (a database) gets them even when people are in a hurry. Lines that contain one of `noise` are
    not printed.
    """

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    note: Path
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 5.0
    precious: bool = False
    noise: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    start_at: float = field(default=0.0, init=False)
    deaths: int = field(default=0, init=False)


class Supervisor:
    """The children of one instance, in the order they were started. Use it from the main thread."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.children: list[Child] = []
        self.settled = False
        """Whether the instance has worked at least once; from then on nothing is given up."""

    def add(self, child: Child) -> subprocess.Popen[bytes]:
        """Start `child` and look after it from now on."""
        self.children.append(child)
        return self._start(child)

    def restart(self, child: Child) -> subprocess.Popen[bytes]:
        """Start a child again that has ended."""
        if child.process is not None:
            child.process.wait()
        return self._start(child)

    def tend(self) -> None:
        """Look at every child once, and start again what has died. Raises TokiflowError when it is hopeless."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and processes.has_ended(child.process):
                self._bury(child, child.process, now)
            if child.process is None and now >= child.start_at:
                self._start_again(child, now)

    def run(self, until: Callable[[], bool]) -> None:
        """Tend the children until `until()` holds."""
        while not until():
            self.tend()
            time.sleep(POLL_SECONDS)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop all children, the last started first. When `hurry()` holds, nobody is waited for but the databases."""
        for child in reversed(self.children):
            process, child.process = child.process, None
            if process is not None:
                self._stop(child, process, hurry)
            child.note.unlink(missing_ok=True)
        self.children.clear()

    def _stop(self, child: Child, process: subprocess.Popen[bytes], hurry: Callable[[], bool]) -> None:
        until = time.monotonic() + child.patience
        process.send_signal(child.stop_signal)
        while not processes.has_ended(process):
            if (hurry() and not child.precious) or time.monotonic() > until:
                self.console.say(f"{child.name} does not stop; ending it")
                break
            time.sleep(processes.POLL_SECONDS)
        processes.kill_group(process)
        process.wait()

    def _start_again(self, child: Child, now: float) -> None:
        try:
            self._start(child)
        except (OSError, TokiflowError) as error:
            self._note_death(child, str(error), now)

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        child.process = process = child.start()
        child.started_at = time.monotonic()
        processes.remember(process.pid, child.note)
        if process.stdout is not None:
            self.console.follow(child.name, process.stdout, child.noise)
        return process

    def _bury(self, child: Child, process: subprocess.Popen[bytes], now: float) -> None:
        processes.kill_group(process)  # a killed gunicorn leaves workers that hold the port
        code = process.wait()
        child.process = None
        child.note.unlink(missing_ok=True)
        self._note_death(child, how_it_ended(code), now)

    def _note_death(self, child: Child, why: str, now: float) -> None:
        child.deaths = 1 if now - child.started_at > STEADY_SECONDS else child.deaths + 1
        if not self.settled and child.deaths >= HOPELESS_DEATHS:
            raise TokiflowError(f"{child.name} keeps stopping ({why}); its own lines above say why")
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (child.deaths - 1))
        child.start_at = now + pause
        self.console.say(f"{child.name} stopped unexpectedly ({why}); starting it again in {pause:g} s")


def how_it_ended(code: int) -> str:
    """An exit code in words: 'exit code 3', 'killed by SIGKILL'."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
