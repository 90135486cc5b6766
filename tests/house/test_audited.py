"""Whatever somebody changes is in the log, in words: every use case says by whom, and whoever says so writes it down.

Read from the source, so that a new use case or event is in it from its first day.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tokiflow.core import deeds

ROOT = Path(__file__).parents[2] / "tokiflow"
SERVICES = ROOT / "services"
DOORS = ("web", "api")

BY_NOBODY = {
    "api_key_uses.note": "that a key is used is no change; it is counted",
    "idempotency.once": "does what it is given, once; that is told by whom",
    "idempotency.once_outside": "the same",
    "maintenance.read_again": "a calendar is read a little sooner; what is planned stays as it was written",
    **dict.fromkeys(
        (
            "authenticators.begin", "authenticators.confirm", "authenticators.remove", "google_accounts.link",
            "google_accounts.unlink", "passkeys.add", "passkeys.remove", "passkeys.rename", "passkeys.sign_in",
            "passkeys.verify", "people.call_off_erasure", "people.plan_erasure", "people.set_profile",
            "recovery_codes.renew", "second_factors.verify_code", "security_letters.tell", "sessions.begin",
            "sessions.end", "sessions.end_all", "sessions.prove", "sessions.seen", "sign_in.request_google_link",
            "sign_in.request_link", "sign_in.request_proof",
        ),
        "of a person, and of no organization; a mail tells them of what matters",
    ),
}  # fmt: skip
"""What doors call, and why nobody need be named."""

EVENT = re.compile(r"[a-z_]+\.(?!jsonl?$|csv$|zip$|txt$|html$)[a-z_]+")
NO_EVENTS = {
    "auth.revoke": "a method of Slack",
    "config.team": "a field of a form",
    "conversations.list": "the same",
    "email.bounced": "what Resend calls it",
    "email.complained": "the same",
    "tokiflow.sender": "where the app keeps its own things",
    "tokiflow.settings": "the same",
}
"""What looks like an event in services, and is none."""

NOT_WRITTEN = {
    "api_key_letters.tell_of": "a letter about what services.api_keys writes down",
    "incident_rows.close": "a part of ending an incident: services.incidents writes down who did",
    "notices.deletion_planned": "a letter about what services.organizations has written down",
    "notices.removed": "the same, of services.memberships",
    "notices.role_changed": "the same",
    "organizations.locked_for": "a lock, and a look whether somebody may",
}
"""Who did it is told, and yet need not be written down: why."""


@cache
def functions(module: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((SERVICES / f"{module}.py").read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@cache
def modules() -> frozenset[str]:
    return frozenset(path.stem for path in SERVICES.glob("*.py")) - {"__init__"}


def names_its_actor(function: ast.FunctionDef) -> bool:
    given = [*function.args.args, *function.args.kwonlyargs]
    return any(isinstance(one.annotation, ast.Name) and one.annotation.id == "Actor" for one in given)


def calls(function: ast.AST, module: str) -> set[tuple[str, str]]:
    """The functions of services that are named in `function`, called or handed on."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in functions(module):
            found.add((module, node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules():
            found.add((node.value.id, node.attr))
        elif isinstance(node, ast.Attribute) and node.attr in functions(module):
            found.add((module, node.attr))  # of an object of the module's own classes
    return found


def writes(module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> bool:
    """Whether this function, or one it calls, writes into the log."""
    if (module, name) == ("audit", "record"):
        return True
    if (module, name) in seen or name not in functions(module):
        return False
    return any(writes(*one, seen | {(module, name)}) for one in calls(functions(module)[name], module))


def public() -> list[tuple[str, str]]:
    return [(module, name) for module in sorted(modules()) for name in functions(module) if not name.startswith("_")]


def test_whoever_is_told_by_whom_writes_it_down() -> None:
    told = [
        one for one in public() if names_its_actor(functions(one[0])[one[1]]) and one[0] not in ("audit", "timeline")
    ]
    assert len(told) > 25
    silent = {".".join(one) for one in told if not writes(*one)}
    assert silent == set(NOT_WRITTEN), "call audit.record in the transaction of the change"


def test_whatever_doors_change_is_changed_by_somebody() -> None:
    found = set()
    for door in DOORS:
        for path in (ROOT / door).rglob("*.py"):
            found |= {one for one in called_from(path) if not names_its_actor(functions(one[0])[one[1]])}
    silent = {".".join(one) for one in found if changes(*one) and not writes(*one)}
    assert silent == set(BY_NOBODY), "take `by: Actor` and write it down, or say here why not"


def events() -> set[str]:
    """Every `noun.past_verb` that stands in services."""
    found = {
        node.value
        for path in SERVICES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and EVENT.fullmatch(node.value)
    }
    return found - set(NO_EVENTS)


def test_every_event_has_words() -> None:
    found = events()
    assert len(found) > 30
    assert sorted(found - set(deeds.DEEDS)) == [], "say in core/deeds.py what was done, or in NO_EVENTS what it is"


def test_events_are_written_by_their_names_alone() -> None:
    """A name put together of pieces could not be found here."""
    named = {one for one in events() if one in deeds.DEEDS}
    made = [
        f"{path.name}:{node.lineno}"
        for path in SERVICES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and begins_like_an_event(node, {one.partition(".")[0] for one in named})
    ]
    assert made == [], "write the whole name of the event"


def begins_like_an_event(node: ast.JoinedStr, nouns: set[str]) -> bool:
    first = node.values[0] if node.values else None
    return isinstance(first, ast.Constant) and str(first.value).removesuffix(".") in nouns and "." in str(first.value)


def test_every_event_is_of_a_noun_that_can_be_chosen() -> None:
    assert {one.partition(".")[0] for one in deeds.DEEDS} <= set(deeds.NOUNS)


def called_from(path: Path) -> set[tuple[str, str]]:
    """What the module at `path` uses of services, under whatever name it imports them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "tokiflow.services"
        for alias in node.names
    }
    return {
        (names[node.value.id], node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
        if node.attr in functions(names[node.value.id])
    }


def changes(module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> bool:
    """Whether this function opens a transaction, or one that it calls does."""
    if (module, name) in seen or name not in functions(module):
        return False
    function = functions(module)[name]
    if any(isinstance(node, ast.Name) and node.id == "transaction" for node in ast.walk(function)):
        return True
    return any(changes(*one, seen | {(module, name)}) for one in calls(function, module))
