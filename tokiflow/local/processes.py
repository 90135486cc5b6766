"""Processes we start: they die with us, are known again after a crash, and are stopped in good time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tokiflow.local import launch
from tokiflow.local.account import Account

LAUNCHER = Path(launch.__file__).resolve()
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Spec:
    """How to start and stop one process.

    `stop_signal` asks it to end, and is also what the kernel sends when we die; `account` is the account to change
    to; `keep_open` are file descriptors it inherits.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None
    keep_open: Sequence[int] = ()


def start(spec: Spec, *, output: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that Ctrl-C reaches only us and we stop it in order.

    Call it from the main thread: the kernel's parent-death signal follows the *thread* that forked.
    """
    uid, gid = (spec.account.uid, spec.account.gid) if spec.account else (launch.SAME_ACCOUNT, launch.SAME_ACCOUNT)
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(spec.stop_signal))]
    return subprocess.Popen(
        [*launcher, str(uid), str(gid), "--", *spec.command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(spec.environment),
        pass_fds=tuple(spec.keep_open),
        start_new_session=True,
        cwd="/" if spec.account else None,
    )


def stop(process: subprocess.Popen[bytes], how: signal.Signals, seconds: float) -> bool:
    """Ask `process` to end, wait up to `seconds`, then kill it with all of its session. True if it ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(how)
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.wait()
        return False


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether `process` is over. It is not reaped yet, so its number still belongs to it and to its session."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a process's session, for example the workers of a killed gunicorn."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


# --- knowing a process again ------------------------------------------------------------------------------------


def birth(pid: int) -> str | None:
    """A text that differs for every process that ever had the number `pid`; None when there is none now."""
    if sys.platform != "linux":
        answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return answer.stdout.strip() or None
    try:
        # The name in parentheses may hold anything; what follows the last parenthesis is numbers.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state, started = fields[0], fields[19]
    return None if state == "Z" else f"{boot}/{started}"


def name_of(pid: int) -> str | None:
    """The name of the program that runs as `pid`; None if there is none."""
    if sys.platform != "linux":
        answer = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return answer.stdout.strip() or None
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def remember(pid: int, path: Path) -> None:
    """Write down that `pid` is ours, in the file `path`."""
    path.write_text(json.dumps({"pid": pid, "birth": birth(pid)}))


def recall(path: Path) -> int | None:
    """The pid written in `path` when that very process still lives, and not another one with its number."""
    try:
        note = json.loads(path.read_text())
        pid, born = int(note["pid"]), note["birth"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if born is not None and birth(pid) == born else None


def end_orphan(path: Path, how: signal.Signals, seconds: float) -> int | None:
    """End the process remembered in `path` if a killed parent left it behind; its pid if there was one."""
    pid = recall(path)
    if pid is not None:
        for ask, patience in ((how, seconds), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, ask)
            if _gone(path, patience):
                break
        # Its children (gunicorn's workers) share its session, whose number is its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    path.unlink(missing_ok=True)
    return pid


def _gone(path: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while recall(path) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return True
