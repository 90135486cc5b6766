"""What docs/webhooks.md says of webhooks is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tokiflow.channels import examples
from tokiflow.channels.webhook import OVERLAP, Webhook
from tokiflow.channels.webhook_body import TEXT_TYPE
from tokiflow.channels.webhook_payload import payload
from tokiflow.core import alerting, templating
from tokiflow.core.templating.filters import FILTERS

DOCS = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```template\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("template", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_works(template: str) -> None:
    config = Webhook().validate({"url": "https://example.com/", "template": template})
    for message in examples.MESSAGES.values():
        request = Webhook().request(config, message)
        assert request.trouble == ""
        assert (request.headers["Content-Type"] == TEXT_TYPE) is not bool(re.match(r"\{\s*[\"\n]", template))


def test_the_example_of_our_json_has_all_its_fields_in_their_order() -> None:
    written = json.loads(re.findall(r"```json\n(.*?)```", DOCS, re.DOTALL)[0])
    sent = payload(examples.MESSAGES["A run fails"])
    assert list(written) == list(sent)
    written["run"]["last_lines"] = sent["run"]["last_lines"]
    assert written == sent
    for group in ("monitor", "incident", "run"):
        assert all(f"`{group}.{name}" in DOCS or f"`.{name}`" in DOCS for name in sent[group]), group


def test_every_filter_type_and_number_is_there() -> None:
    assert all(f"`{name}" in DOCS for name in FILTERS)
    assert all(f"`{payload(message)['type']}`" in DOCS for message in examples.MESSAGES.values())
    assert f"{templating.LENGTH_LIMIT:,} characters" in DOCS
    assert f"{templating.STEP_LIMIT:,} steps and {templating.OUTPUT_LIMIT:,} characters" in DOCS
    assert f"After {alerting.MOST_ATTEMPTS} tries" in DOCS
    assert f"lease of {alerting.LEASE.seconds} seconds" in DOCS
    assert f"For {OVERLAP.total_seconds() / 3600:.0f} hours" in DOCS
