"""`python -m bench [NAME] [ARGUMENTS…]`: one of the benches; pings if only arguments are given, else a tour of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

NAMES = ("pings", "clock", "growth", "chaos", "alerts", "analytics")

TOUR = ("pings", "growth", "chaos")
"""What is measured when nothing else is asked for: how fast, how it grows, and that nothing is lost."""


def main() -> None:
    """Run what is asked for; exit code 1 if any of it failed."""
    if len(sys.argv) == 1:
        sys.exit(max(run(name, ()) for name in TOUR))
    named = sys.argv[1] if sys.argv[1] in NAMES else None
    sys.exit(run(named or "pings", sys.argv[2 if named else 1 :]))


def run(name: str, arguments: Sequence[str]) -> int:
    """Hand the arguments to the bench of this name; its exit code."""
    try:
        importlib.import_module(f"bench.{name}").main(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    main()
