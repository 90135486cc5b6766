"""`python -m bench [NAME] [ARGUMENTS…]`: one of the benches; pings if no other is named."""

from __future__ import annotations

import importlib
import sys

NAMES = ("pings", "clock", "growth", "chaos")


def main() -> None:
    """Hand the arguments to the bench that is named first."""
    named = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in NAMES else None
    bench = importlib.import_module(f"bench.{named or NAMES[0]}")
    bench.main(sys.argv[2 if named else 1 :])


if __name__ == "__main__":
    main()
