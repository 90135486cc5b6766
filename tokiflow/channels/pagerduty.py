"""PagerDuty, by its Events API: whoever is on call is paged, and the page ends when the trouble does.

Events and answers: https://developer.pagerduty.com/docs/send-alert-event
An incident of ours is one alert there: its key joins whatever follows to it, also when a message arrives twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import answers, fields, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Listed, Message, Receipt
from tokiflow.channels.outside import Answer, Outside

SERVERS = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
SUMMARY_LIMIT = 1_024
KEY_LIMIT = 255
SEVERITIES = tuple((word, word.capitalize()) for word in ("critical", "error", "warning", "info"))
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")


def _routing_key(value: object) -> str:
    key = value.strip() if isinstance(value, str) else ""
    if not key:
        raise ValueError("is missing; write the integration key of an Events API V2 integration")
    if not _ROUTING_KEY.fullmatch(key):
        raise ValueError(
            "is not an integration key, which has 32 letters and digits; copy it from the Events API V2 integration "
            "of a service"
        )
    return key


class PagerDuty(ChannelKind):
    """Config: `{"routing_key": 32 letters and digits, "region": us or eu, "server"?, "outages", "warnings"}`."""

    kind = "pagerduty"
    title = "PagerDuty"
    line = "Pages whoever is on call, and stops when it is over."
    icon = "pagerduty"
    for_people = False
    follows = frozenset({"acknowledged"})
    setup = (
        "In PagerDuty, open the service that shall be paged, then Integrations.",
        "Choose Add an integration, then Events API V2.",
        "Copy the Integration Key, 32 letters and digits, and paste it into this form.",
    )
    arrives = (
        "One alert for each incident, with what happened, why, the last lines of output and a link. It is acknowledged "
        "there when somebody acknowledges it here, and resolved when the trouble is over. A test is resolved at once."
    )
    fields: ClassVar = (
        Field(
            name="routing_key",
            label="Integration key",
            read=_routing_key,
            help="Of an Events API V2 integration. Whoever has it can page you: it is never shown again.",
            placeholder="32 letters and digits",
            secret=True,
            mono=True,
        ),
        fields.choice(
            "region",
            "Region",
            (("us", "United States"), ("eu", "Europe")),
            help="Europe if your address ends in eu.pagerduty.com.",
        ),
        fields.choice("outages", "Severity of an outage", SEVERITIES, usual="critical"),
        fields.choice("warnings", "Severity of a warning", SEVERITIES, usual="warning"),
        fields.server("", help="Leave it empty, unless events go through a server of your own."),
    )

    def describe(self, config: Config) -> str:
        if config["server"]:
            return f"PagerDuty at {urlsplit(config['server']).hostname}"
        return "PagerDuty in Europe" if config["region"] == "eu" else "PagerDuty"

    def facts(self, config: Config) -> list[tuple[str, str]]:
        return [("Severity of an outage", config["outages"]), ("Severity of a warning", config["warnings"])]

    def host(self, config: Config) -> str:
        return urlsplit(_server(config)).netloc.lower()

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        receipt = _sent(config, event(config, message), outside)
        if message.kind != "test":
            return receipt
        # Nobody shall be left paged by a test.
        resolve = _bare(config, "resolve", message)
        over = answers.ended(lambda: _sent(config, resolve, outside), "Resolve it in PagerDuty.")
        return Receipt(over.status_code, f"Triggered: {receipt.response}\nResolved: {over.response}")


def event(config: Config, message: Message) -> dict[str, Any]:
    """The event that tells `message`."""
    if words.tone(message).name == "up":
        return _bare(config, "resolve", message)
    if message.kind == "acknowledged":
        return _bare(config, "acknowledge", message)
    links = [{"href": url, "text": label} for label, url in words.links(message)]
    client = {"client": "Tokiflow", "client_url": message.incident_url or message.monitor_url}
    return _bare(config, "trigger", message) | client | {"links": links, "payload": _payload(config, message)}


def _bare(config: Config, action: str, message: Message) -> dict[str, Any]:
    """What every event says. A test has a key that no incident ever had."""
    key = message.dedup_key if message.kind == "test" else message.thread_key
    return {"routing_key": config["routing_key"], "event_action": action, "dedup_key": key[:KEY_LIMIT]}


def _payload(config: Config, message: Message) -> dict[str, Any]:
    payload = {
        "summary": text.truncate(words.headline(message), SUMMARY_LIMIT),
        "source": message.monitor_name or message.organization or "Tokiflow",
        "severity": _severity_of(config, message),
        "timestamp": message.opened_at.isoformat(timespec="milliseconds"),
        "component": message.monitor_id,
        "group": message.environment or message.organization,
        "class": message.incident_kind if message.about_incident else message.kind,
        "custom_details": details(message),
    }
    return {name: value for name, value in payload.items() if value}


def _severity_of(config: Config, message: Message) -> str:
    if message.kind == "test":
        return "info"
    return str(config["warnings"] if message.severity == "warning" else config["outages"])


def details(message: Message) -> dict[str, Any]:
    """What one asks next, by name; empty answers are left out."""
    found: dict[str, Any] = {
        "What happened": words.sentence(message.summary),
        "Why": words.sentence(message.reason),
        "What to do": message.advice,
        "Told again": words.follow_up(message),
        **dict(words.facts(message)),
        "Listed": words.listing(message, _listed, lambda _: True).splitlines(),
        "Last output": list(message.last_lines),
        "Organization": message.organization,
    }
    return {name: value for name, value in found.items() if value}


def _listed(one: Listed) -> str:
    return f"{words.shape(one)} {one.monitor_name} {one.summary}"


def _server(config: Config) -> str:
    return str(config["server"] or SERVERS[config["region"]])


def _sent(config: Config, told: dict[str, Any], outside: Outside) -> Receipt:
    answer = outside.http.send("POST", f"{_server(config)}/v2/enqueue", json=told)
    permanent = answer.status_code == 400
    return answers.receipt(answer, "PagerDuty", config["routing_key"], _why(answer), permanent=permanent)


def _why(answer: Answer) -> str:
    """`{"message": …, "errors": […]}` in words."""
    said = answers.parsed(answer)
    errors = said.get("errors")
    listed = errors if isinstance(errors, Sequence) and not isinstance(errors, str) else [errors]
    return "; ".join(str(one) for one in (said.get("message"), *listed) if one)
