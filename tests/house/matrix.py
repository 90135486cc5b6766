"""`python -m tests.house.matrix`: write docs/roles.md anew, out of core/roles.py and the routes there are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flask import Flask

from tests.house.test_access import OTHERWISE, Stop, sent_by_machines, stops
from tokiflow import api
from tokiflow.api.operations import Operation
from tokiflow.core.roles import IN_SHORT, RIGHTS, SENTENCES, Right, Role, allows, manages

PAGE = Path(__file__).parents[2] / "docs" / "roles.md"

HEAD = """\
# Roles

Who is in an organization has one role in it, and may have another elsewhere. What a role may do is one table,
`tokiflow/core/roles.py`; pages, API and this document are made of it. `python -m tests.house.matrix` writes this page,
and a test fails while it differs from the routes there are. How roles are given and taken:
[Organizations](organizations.md).
"""

PAGES = """\
Outside of their organizations nothing exists for people: a thing of somebody else's answers 404, as one does that was
never there. Inside, what a role may not do answers 403. ✱ asks again who one is, if that was shown more than 15 minutes
ago. Walked as every role, in one's own organization, from another one, and by strangers: `tests/house/test_access.py`.
"""

OWN = """\
These are about whoever is signed in, in any organization or in none; things of others answer 404.
"""

OPEN = """\
Without signing in. What lies behind an address that opens something needs its signature or a secret in it.
"""

API = """\
A key belongs to the organization, whoever made it, and sees that organization alone; everything else answers 404. It
does what its scopes say, and without one owners, admins, members and viewers alike are nobody here (401). A key may not
touch members, roles, keys or the organization itself. Tried with each scope, and with keys of others, in
`tests/api/test_matrix.py`.
"""


def page(app: Flask) -> str:
    """All of docs/roles.md."""
    every = stops(app)
    inside = [one for one in every if isinstance(one.right, Right)]
    own = [one for one in every if one.right == "person"]
    outside = [one for one in every if one.right == "public" and not one.rule.startswith("/dev/")]
    parts = [
        HEAD,
        "## What each role may do\n",
        _table(("right", *Role), ((sentence, *_marks(right)) for right, sentence in SENTENCES.items())),
        _table(("role", "in short", "may give and take"), map(_role, Role)),
        "## Every page and action\n",
        PAGES,
        _table(("page or action", "what it does", *Role), map(_stop, inside)),
        "## One’s own\n",
        OWN,
        _table(("page or action", "what it does"), ((_address(one), one.does) for one in own)),
        "## For everybody\n",
        OPEN,
        _table(("page or action", "what it does", "guarded by"), map(_open, outside)),
        _table(("and", "guarded by"), ((f"`{name}`", guard) for name, guard in OTHERWISE.items())),
        "## Every call of the API\n",
        API,
        _table(("call", "what it does", "scope", "which stands for the right to"), map(_call, api.operations())),
    ]
    return "\n".join(parts)


def _marks(right: Right) -> list[str]:
    return ["✓" if right in RIGHTS[role] else "–" for role in Role]


def _role(role: Role) -> tuple[str, str, str]:
    given = [str(one) for one in Role if one in manages(role)]
    return str(role), IN_SHORT[role], ", ".join(given) or "–"


def _stop(one: Stop) -> list[str]:
    return [_address(one), one.does, *("✓" if allows(role, one.right) else "–" for role in Role)]


def _open(one: Stop) -> tuple[str, str, str]:
    guards = ("the signature of whoever calls",) if sent_by_machines(one) else ()
    if one.method != "GET" and not guards:
        guards = ("a token against forged requests",)
    return _address(one), one.does, ", ".join(guards) or "–"


def _call(one: Operation) -> list[str]:
    needs = [str(one.scope), SENTENCES[one.right]] if one.scope else ["none", "Anybody may, without a key"]
    return [f"`{one.method} {one.path}`", f"{one.summary}.", *needs]


def _address(one: Stop) -> str:
    return f"`{one.method} {one.rule}`{' ✱' if one.proved else ''}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(heads)
    lines = [titles, ["---"] * len(titles), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Write the page."""
    from tokiflow import settings
    from tokiflow.app import create_app

    # Only its routes are asked for, so nobody is there to be connected to.
    nowhere = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "SECRET_KEY": "only to look at the routes, and for nothing else",
    }
    PAGE.write_text(page(create_app(settings.load(nowhere))), encoding="utf-8")


if __name__ == "__main__":
    main()
