"""`python -m tests.chromium`: see to it that the browser tests have a Chromium.

The headless shell is the same engine without a browser's own windows and toolbars, each of which is a page as well: a
new window takes a fifth of the time. Where there is none, a whole Chromium or Chrome will do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = (SHELL, "chromium")
"""Of Debian; older releases have the second one only."""


def find() -> str | None:
    """The path of Chromium on this machine; CHROMIUM names another one."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> None:
    """Install Chromium where we may, and say how where we may not."""
    if os.environ.get("CHROMIUM") or shutil.which(SHELL):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests…", flush=True)
        if _apt("update") and any(_apt("install", "-y", "--no-install-recommends", package) for package in PACKAGES):
            return
    if not find():
        sys.exit(
            f"The browser tests need Chromium. On Debian: sudo apt-get install {SHELL}. Or name one with CHROMIUM="
        )


def _apt(*arguments: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(["apt-get", "-qq", *arguments], env=environment, stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    main()
