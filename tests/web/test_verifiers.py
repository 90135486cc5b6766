"""The lines that we give away for checking a signature are run, in each language that this machine has."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.channels.conftest import message
from tokiflow.channels.webhook import Webhook, signature
from tokiflow.web import verifiers

SOURCES = Path(verifiers.__file__).parent
RUNNERS = Path(__file__).parent / "verifiers"
COMMANDS = {
    "Python": [sys.executable, "run.py"],
    "Node": ["node", "run.js"],
    "Go": ["go", "run", "run.go", "verify.go"],
    "Ruby": ["ruby", "run.rb"],
    "PHP": ["php", "run.php"],
}
HERE = [name for name, command in COMMANDS.items() if name in ("Python", "Node") or shutil.which(command[0])]
"""Python and Node are always there; the others are tried where they are installed."""

SECRET, FORMER = "wiederkäuer", "old one"
BODY = '{"text": "Sicherung läuft nicht: \\"disk full\\"\\n"}'.encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The verifiers, and beside each what reads cases and prints its answers, both as JSON."""
    for source in (*SOURCES.glob("verify.*"), *RUNNERS.glob("run.*")):
        shutil.copy(source, tmp_path)
    return tmp_path


def run(language: str, folder: Path, cases: list[tuple[str, str, bytes]]) -> list[bool]:
    """What the verifier of `language` says to secret, header and body, each."""
    written = [{"secret": s, "header": h, "body": base64.b64encode(b).decode()} for s, h, b in cases]
    done = subprocess.run(
        COMMANDS[language],
        cwd=folder,
        input=json.dumps(written),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "GO111MODULE": "off", "GOFLAGS": ""},
    )
    assert done.returncode == 0, done.stderr
    found: list[bool] = json.loads(done.stdout)
    return found


def sent(former: str | None = None) -> tuple[str, bytes]:
    """Signature and body of a request as it goes out."""
    config = Webhook().validate({"url": "https://example.com/", "secret": SECRET, "previous_secret": former})
    now = message().sent_at.fromtimestamp(time.time(), tz=message().sent_at.tzinfo)
    config = Webhook().carried({}, config, now)
    request = Webhook().request(config, message("opened", "failed", sent_at=now, monitor_name='"ä" 🚢'))
    return request.headers["Tokiflow-Signature"], request.content


@pytest.mark.parametrize("language", HERE)
def test_it_tells_ours_from_others(language: str, folder: Path) -> None:
    now = int(time.time())
    ours, content = sent()
    both, renewed = sent(FORMER)
    assert both.count("v1=") == 2
    good = signature(SECRET, now, BODY)
    digest = good.partition("v1=")[2]
    trusted = [
        (SECRET, ours, content),
        (SECRET, both, renewed),
        (FORMER, both, renewed),
        (SECRET, good, BODY),
        (SECRET, signature(SECRET, now, BODY, FORMER), BODY),
        (FORMER, signature(SECRET, now, BODY, FORMER), BODY),
        (SECRET, signature(FORMER, now, BODY, SECRET), BODY),
        (SECRET, signature(SECRET, now - 250, BODY), BODY),
        (SECRET, signature(SECRET, now + 250, BODY), BODY),
        (SECRET, signature(SECRET, now, b""), b""),
        (SECRET, signature(SECRET, now, bytes(range(256))), bytes(range(256))),
        (SECRET, f"t={now},v0=older,v1={digest},v2=newer", BODY),
    ]
    refused = [
        (SECRET, good, BODY + b" "),
        (SECRET, ours, content.replace(b"failed", b"passed")),
        (FORMER, good, BODY),
        ("", good, BODY),
        ("nobody's", signature(SECRET, now, BODY, FORMER), BODY),
        (SECRET, signature(SECRET, now - 400, BODY), BODY),
        (SECRET, signature(SECRET, now + 400, BODY), BODY),
        (SECRET, good.replace(f"t={now}", f"t={now + 1}"), BODY),
        (SECRET, f"t={now - 400},{good}", BODY),
        *((SECRET, header, BODY) for header in (
            "", ",", "=", "t", "t=", "v1", "v1=", f"t={now}", f"t={now},v1=", f"t={now},v1", f"t=,v1={digest}",
            f"v1={digest}", f"t=soon,v1={digest}", f"t=1e9,v1={digest}", f"t=-1,v1={digest}", f"t= {now},v1={digest}",
            f"t={'9' * 40},v1={digest}", f"t={now},v1={digest[:-1]}", f"t={now},v1={digest}0", f"t={now},v1=ä{digest}",
            f"t=١٢٣,v1={digest}", f"t={now},v1=zz", f"t={now};v1={digest}",
        )),
    ]  # fmt: skip
    answers = run(language, folder, [*trusted, *refused])
    wrong = [case for case, answer, wanted in zip(
        [*trusted, *refused], answers, [True] * len(trusted) + [False] * len(refused), strict=True
    ) if answer is not wanted]  # fmt: skip
    assert wrong == []


def test_python_and_node_are_tried_everywhere_and_all_five_are_shown() -> None:
    assert {"Python", "Node"} <= set(HERE)
    assert [language for language, _ in verifiers.snippets()] == list(COMMANDS)
    assert all("TOLERANCE" in text.upper() for _, text in verifiers.snippets())
