"""A command run on somebody's behalf: its streams passed through, its signals passed on, its end awaited.

The command should not notice us. It inherits stdin, environment, open files and ignored signals; its stdout
and stderr stay two streams; when our reader goes away (`| head`), so does the command's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO

from tokiflow.cli._capture import Capture

NOT_EXECUTABLE = 126
NOT_FOUND = 127
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
FROM_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)

CHUNK = 64 * 1024
# When the command has ended but something it left behind keeps the pipe open, we listen on until it has been
# silent for IDLE seconds, and never longer than DRAIN seconds.
IDLE = 0.5
DRAIN = 5.0
# So many seconds later a thread looks again whether the other one has taken its turn.
TURN = 0.001


@dataclass(frozen=True)
class Ending:
    """How a command ended: exit code as a shell has it, run time in seconds, and why it could not run, if so."""

    code: int
    seconds: float
    problem: str = ""


class Signals:
    """Catches what is sent to us and passes it on to the command while there is one.

    With a terminal, the command stays in our process group, so that it may read from the keyboard and be
    stopped with Ctrl-Z; a Ctrl-C reaches it without us and must not reach it twice. Without one (cron,
    systemd), it leads a group of its own, and what is sent to us is sent to the whole group.
    """

    def __init__(self) -> None:
        self.after_the_end = False
        self._terminal = _controlling_terminal()
        self._process: int | None = None
        self._ended = False
        self._early: list[int] = []
        self._noticed = -1

    @property
    def own_group(self) -> bool:
        """Whether the command is to lead a process group of its own."""
        return self._terminal is None

    def catch(self) -> None:
        """Begin to catch. A signal ignored by whoever started us (nohup) stays ignored, for the command too."""
        self._noticed, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in PASSED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def await_one(self) -> None:
        """Return once a signal came, also one that came since the last time: the end of the command is one, too.

        To wait for the command itself would not do: a signal that comes between the interpreter's last look for one
        and the system call is only handled when that call returns, which is when the command has ended by itself.
        """
        os.read(self._noticed, CHUNK)

    def begin(self, process: int) -> None:
        """The command runs as `process`: whatever came before is passed on now."""
        self._process = process
        for number in self._early:
            self._pass_on(number)

    def end(self) -> None:
        """The command is gone and its number may be somebody else's: pass nothing on any more."""
        self._process, self._ended = None, True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._ended:
            self.after_the_end = True
        elif self._process is None:
            self._early.append(number)
        elif not (number in FROM_KEYBOARD and self._in_foreground()):
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        try:
            if self._process is None:
                return
            if self.own_group:
                os.killpg(self._process, number)
            else:
                os.kill(self._process, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _in_foreground(self) -> bool:
        try:
            return self._terminal is not None and os.tcgetpgrp(self._terminal) == os.getpgrp()
        except OSError:
            return False


def execute(command: Sequence[str], signals: Signals, capture: Capture | None, on_start: Callable[[], None]) -> Ending:
    """Run `command` to its end. With a `capture`, its output passes through us; else it has our own streams.

    `on_start` is called once, as soon as the command runs or is known not to. Call `signals.catch()` first.
    Never raises for a command that cannot be run: that is an Ending too, with code 127 (not found) or 126 (not
    executable).
    """
    started = time.monotonic()
    try:
        process = _spawn(command, signals, capture)
    except (OSError, ValueError) as error:
        signals.end()
        on_start()
        return _unrunnable(command[0], error)
    signals.begin(process.pid)
    on_start()
    pumps = _Pumps(process, capture) if capture else None
    while (code := process.poll()) is None:
        signals.await_one()
    signals.end()
    seconds = time.monotonic() - started
    if pumps:
        pumps.finish()
    return Ending(code if code >= 0 else 128 - code, seconds)


def _spawn(command: Sequence[str], signals: Signals, capture: Capture | None) -> subprocess.Popen[bytes]:
    try:
        return _popen(command, signals, capture)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A script without a #! line: execve refuses it, every shell runs it.
    path = shutil.which(command[0]) or command[0]
    return _popen(["/bin/sh", path, *command[1:]], signals, capture)


def _popen(command: Sequence[str], signals: Signals, capture: Capture | None) -> subprocess.Popen[bytes]:
    # Files the caller opened for the command (`3>log`, a flock) stay open; ours are closed on exec anyway.
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE if capture else None,
        stderr=(subprocess.STDOUT if _same_file(1, 2) else subprocess.PIPE) if capture else None,
        bufsize=0,
        close_fds=False,
        process_group=0 if signals.own_group else None,
    )


def _unrunnable(name: str, error: Exception) -> Ending:
    if isinstance(error, FileNotFoundError):
        found = os.path.exists(name) or bool(shutil.which(name))
        why = "its interpreter does not exist" if found else "command not found"
        return Ending(NOT_FOUND, 0.0, f"{name}: {why}")
    why = (error.strerror if isinstance(error, OSError) else str(error)) or "cannot be run"
    return Ending(NOT_EXECUTABLE, 0.0, f"{name}: {why.lower()}")


class _Pumps:
    """One thread for each stream, from the command to us and into the capture, until the end of both.

    What has come on both is captured from stdout first: most jobs print what they do there, and then on stderr why they
    can't go on.
    """

    def __init__(self, process: subprocess.Popen[bytes], capture: Capture) -> None:
        self._gone, self._ending = os.pipe()
        self._stdout = process.stdout
        self._stdout_waits = False
        self._threads = [
            threading.Thread(target=self._pump, args=(source, target, capture), daemon=True)
            for source, target in ((process.stdout, 1), (process.stderr, 2))
            if source is not None
        ]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """The command has ended: pass on what is still in the pipes, and wait until that is done."""
        os.close(self._ending)
        for thread in self._threads:
            thread.join()

    def _pump(self, source: IO[bytes], target: int, capture: Capture) -> None:
        out = _Out(target)
        while self._gone not in select.select([source.fileno(), self._gone], [], [])[0]:
            if not self._move(source, out, capture):
                return
        # Our own reader may be slow: what the command wrote is passed on, however long that takes. Only
        # what others write into its pipe afterwards is cut off.
        owed, deadline = _waiting(source), time.monotonic() + DRAIN
        while owed > 0 or time.monotonic() < deadline:
            if not select.select([source], [], [], IDLE)[0]:
                return
            moved = self._move(source, out, capture)
            if not moved:
                return
            owed -= moved

    def _move(self, source: IO[bytes], out: _Out, capture: Capture) -> int:
        """Move one chunk on. Returns its length; 0 at the end, or when our reader has gone and so may we."""
        first = source is self._stdout
        if not first:
            self._await_stdout()
        data = os.read(source.fileno(), CHUNK)
        capture.add(data)
        if first:
            self._stdout_waits = True
        written = out.write(data)
        if first:
            self._stdout_waits = False
        if not written:
            source.close()
            return 0
        return len(data)

    def _await_stdout(self) -> None:
        """Return when what has come on stdout is captured, or waits for a slow reader of ours, or nobody reads it."""
        while self._threads[0].is_alive() and not self._stdout_waits and _readable(self._stdout):
            time.sleep(TURN)


class _Out:
    """One of our own streams, as a place to pass bytes on to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._broken = False

    def write(self, data: bytes) -> bool:
        """Write all of it. False when the reader has gone; a full disk is no reason to stop the command."""
        rest = memoryview(data)
        while rest and not self._broken:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except BrokenPipeError:
                return False
            except OSError as error:
                self._broken = True
                tell(f"output could not be passed on ({error.strerror}); the command goes on")
        return True


def tell(sentence: str) -> None:
    """One line on stderr, marked as ours. Silent when there is no stderr."""
    try:
        sys.stderr.write(f"tokiflow: {sentence}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def _same_file(one: int, other: int) -> bool:
    """Whether two of our streams end in the same place (`2>&1`, cron, a terminal): then one pipe serves for
    both, and keeps the order in which the command wrote."""
    return os.path.samestat(os.fstat(one), os.fstat(other))


def _readable(source: IO[bytes] | None) -> bool:
    """Whether there is something to read, or its end."""
    try:
        return source is not None and bool(select.select([source], [], [], 0)[0])
    except ValueError:  # closed meanwhile
        return False


def _waiting(source: IO[bytes]) -> int:
    """Bytes in a pipe that nobody has read yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(source, termios.FIONREAD, b"\0\0\0\0"))
    return int(count)


def _controlling_terminal() -> int | None:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None


def open_standard_streams() -> None:
    """Whoever started us with a stream closed gets /dev/null there, lest a pipe of ours takes its number.

    Call it before anything is opened.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(opened, True)
