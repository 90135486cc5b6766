"""Opsgenie, by its Alerts API, which Jira Service Management speaks too: an alert that closes when it is over.

Requests and answers: https://docs.opsgenie.com/docs/alert-api
Our incident is the alias of the alert there, so whatever is told twice, acknowledged or closed meets the same alert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from tokiflow.channels import answers, fields, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import Invalid

SERVERS = {
    "us": "https://api.opsgenie.com",
    "eu": "https://api.eu.opsgenie.com",
    "jira": "https://api.atlassian.com/jsm/ops/integration",
}
PRIORITIES = tuple((word, word) for word in ("P1", "P2", "P3", "P4", "P5"))
MESSAGE_LIMIT = 130
DESCRIPTION_LIMIT = 15_000
TAGS_LIMIT = 20
TAG_LIMIT = 50
USER_LIMIT = 100
RESPONDERS_LIMIT = 20
_KEY = re.compile(r"[!-~]{20,400}")
# Jira Service Management knows responders by these only.
_ID = re.compile(r"(?:[0-9]+:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24}", re.IGNORECASE)
_TYPES = ("team", "user", "escalation", "schedule")
_NEVER = frozenset({401, 403, 422})


def _key(value: object) -> str:
    key = value.strip() if isinstance(value, str) else ""
    if not key:
        raise ValueError("is missing; write the API key of an API integration")
    if not _KEY.fullmatch(key):
        raise ValueError(
            "is not an API key; copy it from an API integration, like 12345678-90ab-cdef-1234-567890abcdef"
        )
    return key


def _listed(name: str, most: int, read: Callable[[str], str]) -> Callable[[Any], list[str]]:
    """A reader of a list, or of one text with lines and commas. Raises Invalid naming each that can't be one."""

    def read_list(value: Any) -> list[str]:
        given = re.split(r"[,\n]+", value) if isinstance(value, str) else value or []
        if not isinstance(given, Sequence) or not all(isinstance(one, str) and one.isprintable() for one in given):
            raise ValueError("must be a list of texts, one a line")
        kept, wrong = {}, []
        for one in filter(None, map(str.strip, given)):
            try:
                kept[read(one)] = True
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            raise Invalid({f"config.{name}": wrong})
        if len(kept) > most:
            raise ValueError(f"has {len(kept)} lines; write at most {most}")
        return list(kept)

    return read_list


def _responder(line: str) -> str:
    """`Database` → `team: Database`; `user: alice@harbour.example` stays."""
    before, colon, after = line.partition(":")
    kind, name = (before.strip().lower(), after.strip()) if colon else ("user" if "@" in line else "team", line)
    if kind not in _TYPES or not name or len(name) > 200:
        raise ValueError(f"“{line[:60]}” names no responder; write it like team: Database or user: alice@example.com")
    return f"{kind}: {name}"


def _tag(line: str) -> str:
    if len(line) > TAG_LIMIT:
        raise ValueError(f"“{line[:60]}” is too long for a tag; write at most {TAG_LIMIT} characters")
    return line


class Opsgenie(ChannelKind):
    """Config: `{"key", "region": us, eu or jira, "server"?, "outages", "warnings", "responders", "tags"}`."""

    kind = "opsgenie"
    title = "Opsgenie"
    line = "An alert for whoever is on call, also in Jira Service Management."
    icon = "opsgenie"
    for_people = False
    follows = frozenset({"acknowledged"})
    setup = (
        "In Opsgenie, open the team that shall be told, then Integrations. In Jira Service Management it is "
        "Operations, then Integrations.",
        "Choose Add integration, then API. Let it create and update alerts.",
        "Turn it on, copy its API key, and paste it into this form.",
    )
    arrives = (
        "One alert for each incident, with what happened, why, the last lines of output and a link. It is acknowledged "
        "there when somebody acknowledges it here, and closed when the trouble is over. A test is closed at once."
    )
    fields: ClassVar = (
        Field(
            name="key",
            label="API key",
            read=_key,
            help="Of an API integration. Whoever has it can page you: it is never shown again.",
            placeholder="12345678-90ab-cdef-1234-567890abcdef",
            secret=True,
            mono=True,
        ),
        fields.choice(
            "region",
            "Where it lives",
            (("us", "Opsgenie, United States"), ("eu", "Opsgenie, Europe"), ("jira", "Jira Service Management")),
            help="Europe if you sign in at app.eu.opsgenie.com.",
        ),
        fields.choice("outages", "Priority of an outage", PRIORITIES, usual="P1"),
        fields.choice("warnings", "Priority of a warning", PRIORITIES, usual="P3"),
        Field(
            name="responders",
            label="Responders",
            read=_listed("responders", RESPONDERS_LIMIT, _responder),
            shape="list",
            optional=True,
            help="One a line, like team: Database, user: alice@example.com, schedule: Nights or escalation: Database; "
            "for Jira Service Management with ids in place of names. Empty leaves it to the integration.",
        ),
        Field(
            name="tags",
            label="Tags",
            read=_listed("tags", 10, _tag),
            shape="list",
            optional=True,
            help="One a line, beside those of the monitor.",
        ),
        fields.server("", help="Leave it empty, unless alerts go through a server of your own."),
    )

    def describe(self, config: Config) -> str:
        if config["server"]:
            return f"Opsgenie at {urlsplit(config['server']).hostname}"
        where = {"us": "Opsgenie", "eu": "Opsgenie in Europe", "jira": "Jira Service Management"}[config["region"]]
        return f"{where}, {', '.join(config['responders'][:2])}" if config["responders"] else where

    def facts(self, config: Config) -> list[tuple[str, str]]:
        return [
            ("Priority of an outage", config["outages"]),
            ("Priority of a warning", config["warnings"]),
            ("Responders", ", ".join(config["responders"]) or "those of the integration"),
            ("Tags", ", ".join(config["tags"]) or "those of the monitor"),
        ]

    def host(self, config: Config) -> str:
        return urlsplit(_server(config)).netloc.lower()

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        if words.tone(message).name == "up":
            return _change(config, "close", message, outside)
        if message.kind == "acknowledged":
            return _change(config, "acknowledge", message, outside)
        created = _receipt(_post(config, "", alert(config, message), outside), config)
        if message.kind != "test":
            return created
        # Nobody shall be left paged by a test.
        over = answers.ended(lambda: _change(config, "close", message, outside), "Close it in Opsgenie.")
        return Receipt(over.status_code, f"Created: {created.response}\nClosed: {over.response}")


def alert(config: Config, message: Message) -> dict[str, Any]:
    """The alert that tells `message`."""
    body = {
        "message": words.short_headline(message, lambda cut: text.units(cut) <= MESSAGE_LIMIT),
        "alias": _alias(message),
        "description": _description(message),
        "responders": [_addressed(one) for one in config["responders"]],
        "tags": list(dict.fromkeys([*config["tags"], *message.tags]))[:TAGS_LIMIT],
        "details": details(message),
        "entity": message.monitor_name or message.organization,
        "source": "Tokiflow",
        "priority": _priority_of(config, message),
    }
    return {name: value for name, value in body.items() if value}


def _alias(message: Message) -> str:
    """A test has one that no incident ever had."""
    return message.dedup_key if message.kind == "test" else message.thread_key


def _addressed(line: str) -> dict[str, str]:
    kind, _, name = line.partition(": ")
    named = "id" if _ID.fullmatch(name) else "username" if kind == "user" else "name"
    return {"type": kind, named: name}


def _priority_of(config: Config, message: Message) -> str:
    if message.kind == "test":
        return "P5"
    return str(config["warnings"] if message.severity == "warning" else config["outages"])


def _description(message: Message) -> str:
    """What happened, why, what to do, and the output, of which the oldest lines go first."""
    said = [
        words.sentence(message.summary),
        words.listing(message, lambda one: f"{words.shape(one)} {one.monitor_name} {one.summary}", _fits),
        words.sentence(message.reason),
        message.advice,
        words.follow_up(message),
        "\n".join(f"{label}: {url}" for label, url in words.links(message)),
    ]
    whole = "\n\n".join(filter(None, said))
    output = text.tail(message.last_lines, lambda kept: _fits(f"{whole}\n\nLast output:\n{kept}"))
    return f"{whole}\n\nLast output:\n{output}" if output else whole


def _fits(said: str) -> bool:
    return text.units(said) <= DESCRIPTION_LIMIT - 2_000


def details(message: Message) -> dict[str, str]:
    """What one asks next, by name; each value is a text, as the API wants it."""
    found = {
        **dict(words.facts(message)),
        "Kind": message.incident_kind if message.about_incident else "",
        "Organization": message.organization,
        "Incident": message.incident_url if message.about_incident else "",
        "Monitor": message.monitor_url if message.about_incident else "",
    }
    return {name: value for name, value in found.items() if value}


def _change(config: Config, what: str, message: Message, outside: Outside) -> Receipt:
    """Acknowledge or close the alert. That there is none, since somebody deleted it, is as good."""
    path = f"/{quote(_alias(message), safe='')}/{what}?identifierType=alias"
    said = {"source": "Tokiflow", "note": words.sentence(words.headline(message))}
    if what == "acknowledge" and message.acknowledged_by:
        said["user"] = text.truncate(message.acknowledged_by, USER_LIMIT)
    answer = _post(config, path, said, outside)
    if answer.status_code == 404:
        return Receipt(404, f"No such alert is open there any more. {answers.shown(answer, (config['key'],))}".strip())
    return _receipt(answer, config)


def _server(config: Config) -> str:
    return str(config["server"] or SERVERS[config["region"]])


def _post(config: Config, path: str, body: Mapping[str, Any], outside: Outside) -> Answer:
    headers = {"Authorization": f"GenieKey {config['key']}"}
    return outside.http.send("POST", f"{_server(config)}/v2/alerts{path}", json=body, headers=headers)


def _receipt(answer: Answer, config: Config) -> Receipt:
    permanent = answer.status_code in _NEVER
    return answers.receipt(answer, "Opsgenie", config["key"], _why(answer), permanent=permanent)


def _why(answer: Answer) -> str:
    """`{"message": …, "errors": {field: why}}` in words."""
    said = answers.parsed(answer)
    errors = said.get("errors")
    listed = [f"{name} {why}" for name, why in errors.items()] if isinstance(errors, Mapping) else []
    return "; ".join(str(one) for one in (said.get("message"), *listed) if one)
