"""What was unlike the usual, in words, whatever is missing of it."""

from __future__ import annotations

from typing import Any

import pytest

from tokiflow.web import findings

ANOMALY = {
    "measure": "run_time", "kind": "anomaly", "direction": "low", "value": 3, "usual": 720, "spread": 40, "z": -18.02,
    "low": 600, "high": 850, "words": "took 3 s; usually 12 m ± 40 s",
}  # fmt: skip


def test_a_finding_says_what_and_why_in_numbers() -> None:
    (found,) = findings.of([ANOMALY])
    assert (found.head, found.measure) == ("Unlike the usual", "Run time")
    assert found.words == "took 3 s; usually 12 m ± 40 s"
    assert list(found.facts) == [
        ("This run", "3 s"), ("Usually", "12 m"), ("Normal is", "10 m to 14 m 10 s"), ("How far off", "z = −18"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        ({**ANOMALY, "words": ""}, "3 s; usually 12 m ± 40 s"),
        ({"measure": "output_size", "value": 10, "usual": 4096}, "10 B; usually 4.0 KB"),
        ({"measure": "metric:rows", "value": 100, "usual": 8000, "spread": 200}, "100; usually 8,000 ± 200"),
        ({"measure": "metric:rows", "value": -8.0261, "usual": 1e300}, "−8.026; usually 1e+300"),
        ({"kind": "shift"}, ""),
        ({}, ""),
    ],
    ids=["run time", "output", "metric", "far off", "shift", "nothing"],
)
def test_what_whoever_judged_did_not_say_is_made_of_the_numbers(finding: dict[str, Any], words: str) -> None:
    (found,) = findings.of([finding])
    assert found.words == words


def test_each_chart_says_only_what_concerns_it() -> None:
    told: list[dict[str, Any]] = [ANOMALY, {"measure": "metric:rows", "words": "100 rows; usually 8,000"}]
    assert findings.said(told) == ANOMALY["words"]
    assert findings.said(told, "metric:rows") == "100 rows; usually 8,000"
    assert findings.said(None) == ""
