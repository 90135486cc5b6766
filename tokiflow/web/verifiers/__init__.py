"""How the receiver of a webhook checks its signature, in five languages to copy. Tests run them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FILES = {"Python": "verify.py", "Node": "verify.js", "Go": "verify.go", "Ruby": "verify.rb", "PHP": "verify.php"}


@cache
def snippets() -> list[tuple[str, str]]:
    """Each language with its lines."""
    folder = Path(__file__).parent
    return [(language, (folder / name).read_text(encoding="utf-8")) for language, name in FILES.items()]
