"""Which account of the operating system the embedded servers run under.

PostgreSQL refuses to run as root, and rightly so. Root therefore lends it the account `nobody`, which exists
everywhere: no account is created on somebody's machine.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tokiflow.errors import TokiflowError


@dataclass(frozen=True)
class Account:
    """An account by name and numbers."""

    name: str
    uid: int
    gid: int


def for_servers() -> Account | None:
    """The account to change to before starting PostgreSQL; None when we may run it as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise TokiflowError(
            "PostgreSQL won't run as root and there is no account 'nobody' to run it as; "
            "start Tokiflow as an ordinary user, or give DATABASE_URL"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def own_name() -> str:
    """The name of the account we run under. PostgreSQL insists on one."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise TokiflowError(
            f"The account number {os.geteuid()} has no name on this machine, and PostgreSQL needs one; "
            "start Tokiflow as a named user, or give DATABASE_URL"
        ) from None


def can_enter(path: Path, account: Account | None) -> bool:
    """Whether `account` can list and enter the folder `path`, whatever the folders above it allow."""
    if account is None:
        return os.access(path, os.R_OK | os.X_OK)
    check = subprocess.run(
        ["/bin/sh", "-c", 'test -r "$0" && test -x "$0"', str(path)],
        cwd="/",
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        check=False,
    )
    return check.returncode == 0


def hand_over(path: Path, account: Account | None) -> None:
    """Make `account` the owner of `path`, which we made ourselves. Nothing to do without one."""
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
