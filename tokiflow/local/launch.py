"""What runs between fork and exec of a server: change account, ask to die with the parent, become the program.

This file is executed by path as a program of its own (`python -I -S launch.py PARENT SIGNAL UID GID -- COMMAND…`),
because a `preexec_fn` is not safe in a parent that has threads. Standard library only.

The order matters: on Linux a change of account clears the parent-death signal, so that comes second.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
SAME_ACCOUNT = -1


def main(arguments: list[str]) -> None:
    """Never returns: the process becomes COMMAND, or exits when its parent is gone already."""
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    command = arguments[5:]
    if uid != SAME_ACCOUNT:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked; nobody would ever stop us
        sys.exit(1)
    os.umask(0o077)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
