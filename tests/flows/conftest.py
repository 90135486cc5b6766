"""A whole Tokiflow for a story: real processes, a key for the API, and somewhere for alerts to arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.fixtures.instance import Instance, running, wait_until
from tests.fixtures.receivers import SECRET, Arrival, Receivers, receiving


class Api:
    """The API of an instance, used with a key that its command line made."""

    def __init__(self, instance: Instance) -> None:
        made = instance.run_cli(["api-key", "create", "--name", "the story"], **instance.settings())
        assert made.returncode == 0, made.stderr
        self._client = httpx.Client(
            base_url=f"{instance.url}/api/v1",
            headers={"Authorization": f"Bearer {made.stdout.strip()}"},
            timeout=20,
            trust_env=False,
        )

    def get(self, path: str) -> Any:
        return self._said(self._client.get(path))

    def post(self, path: str, sent: dict[str, Any] | None = None) -> Any:
        return self._said(self._client.post(path, json=sent or {}))

    def _said(self, answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()

    def close(self) -> None:
        self._client.close()


@dataclass
class House:
    """The instance of a story, and all around it."""

    instance: Instance
    api: Api
    receivers: Receivers

    def make_channels(self) -> list[str]:
        """E-mail, webhook and Slack; their ids."""
        configs = {
            "email": {"to": ["ops@harbour.example"]},
            "webhook": {"url": f"{self.receivers.url}/hook", "secret": SECRET},
            "slack": {"url": f"{self.receivers.url}/slack"},
        }
        made = [self.api.post("/channels", {"kind": kind, "name": kind, "config": configs[kind]}) for kind in configs]
        if any(one["status"] == "waiting" for channel in made for one in channel["recipients"]):
            self._say_yes()
        return [channel["id"] for channel in made]

    def _say_yes(self) -> None:
        """Answer the question that came by mail, in a browser that is signed in nowhere."""
        question = "Shall "
        wait_until(lambda: bool(self.receivers.about(question)["mail"]), 30, "the question to a new address")
        link = re.search(r"(/confirm/\S+)", self.receivers.about(question)["mail"][-1].text())
        assert link
        with httpx.Client(base_url=self.instance.url, timeout=20, trust_env=False) as browser:
            token = re.search(r'name="csrf-token" content="([^"]+)"', browser.get(link[1]).text)
            assert token
            assert "Alerts will come" in browser.post(link[1], data={"csrf_token": token[1]}).text

    def make_monitor(self, name: str, **values: Any) -> dict[str, Any]:
        """A monitor called `name` that expects a ping every hour, unless `values` say otherwise."""
        usual = {"name": name, "schedule": {"kind": "every", "seconds": 3600}, "grace_seconds": 0}
        monitor: dict[str, Any] = self.api.post("/monitors", {**usual, **values})
        return monitor

    def wait_told(self, name: str, kind: str, seconds: float) -> dict[str, Arrival]:
        """By door: the one message about `name` of `kind` (opened, resolved…), when it has come to all three."""

        def told() -> dict[str, list[Arrival]]:
            by_door = self.receivers.about(name)
            is_it = {"mail": _mail_is, "webhook": _webhook_is, "slack": _slack_is}
            return {door: [one for one in by_door[door] if is_it[door](one, kind)] for door in by_door}

        wait_until(lambda: all(told().values()), seconds, f"word of {name}: {kind}; {self.instance.output()[-2000:]}")
        found = told()
        assert {door: len(arrivals) for door, arrivals in found.items()} == {"mail": 1, "webhook": 1, "slack": 1}
        return {door: arrivals[0] for door, arrivals in found.items()}

    def incident(self, monitor: dict[str, Any]) -> dict[str, Any]:
        """The one incident of `monitor`."""
        (incident,) = self.api.get(f"/incidents?monitor={monitor['id']}")["items"]
        found: dict[str, Any] = incident
        return found


def _recovered(text: str) -> bool:
    return "is well again" in text


def _mail_is(arrival: Arrival, kind: str) -> bool:
    return _recovered(arrival.text()) is (kind == "resolved")


def _slack_is(arrival: Arrival, kind: str) -> bool:
    return _recovered(arrival.text()) is (kind == "resolved")


def _webhook_is(arrival: Arrival, kind: str) -> bool:
    return bool(arrival.json()["type"] == f"incident.{kind}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Tokiflow of this module's own, that may be hurt."""
    data = tmp_path_factory.mktemp("house") / "data"
    with (
        receiving() as receivers,
        running(
            data, SMTP_URL=receivers.smtp_url, TOKIFLOW_OUTBOUND_ALLOW="127.0.0.0/8", TOKIFLOW_PING_RATE="unlimited"
        ) as instance,
    ):
        instance.wait_healthy()
        api = Api(instance)
        yield House(instance, api, receivers)
        api.close()
