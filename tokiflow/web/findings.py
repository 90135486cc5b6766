"""What was unlike the usual about a run, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokiflow.core import sentences
from tokiflow.core.measure import Measure
from tokiflow.queries import bands

_HEADS = {"anomaly": "Unlike the usual", "shift": "A new usual", "degraded": "Slower than usual"}
_MEASURES = {"run_time": "Run time", "output_size": "Output", "run_count": "Runs"}


@dataclass(frozen=True)
class Finding:
    """One thing that was unlike the usual: what kind, of what measure, the words of whoever judged, its numbers as
    (word, value) pairs, and who said that it is no problem."""

    kind: str
    head: str
    measure: str
    words: str
    facts: Sequence[tuple[str, str]]
    accepted_by: str = ""


def of(told: Sequence[Mapping[str, Any]] | None) -> list[Finding]:
    """The findings of a run; whatever they lack is left out."""
    return [_finding(one) for one in told or ()]


def said(told: Sequence[Mapping[str, Any]] | None, measure: str = bands.RUN_TIME) -> str:
    """What is to be said beside a point of the chart of `measure`; empty where nothing is."""
    return "; ".join(filter(None, (_words(one) for one in told or () if one.get("measure", bands.RUN_TIME) == measure)))


def _finding(one: Mapping[str, Any]) -> Finding:
    kind, measure = str(one.get("kind", "anomaly")), str(one.get("measure", bands.RUN_TIME))
    head = _HEADS.get(kind, _HEADS["anomaly"])
    accepted_by = str(one.get("accepted_by") or "")
    return Finding(kind, head, _measure(measure), _words(one), _facts(one, measure), accepted_by)


def _measure(measure: str) -> str:
    return _MEASURES.get(measure) or measure.removeprefix(bands.METRIC)


def _words(one: Mapping[str, Any]) -> str:
    """As whoever judged wrote it, or made of the numbers: `took 3 s; usually 12 m ± 40 s`."""
    if one.get("words"):
        return str(one["words"])
    measure, value, usual = str(one.get("measure", bands.RUN_TIME)), one.get("value"), one.get("usual")
    if value is None or usual is None:
        return ""
    about = f" ± {amount(measure, one['spread'])}" if one.get("spread") else ""
    return f"{amount(measure, value)}; usually {amount(measure, usual)}{about}"


def _facts(one: Mapping[str, Any], measure: str) -> list[tuple[str, str]]:
    pairs = [("This run", one.get("value")), ("Usually", one.get("usual"))]
    found = [(word, amount(measure, value)) for word, value in pairs if value is not None]
    if one.get("low") is not None and one.get("high") is not None:
        found.append(("Normal is", f"{amount(measure, one['low'])} to {amount(measure, one['high'])}"))
    if one.get("z") is not None:
        found.append(("How far off", f"z = {round(float(one['z']), 1):g}".replace("-", "−")))
    return found


def amount(measure: str, value: float) -> str:
    """A value in the measure's own unit, as the sentences about it say it."""
    return sentences.amount(float(value), Measure(measure) if measure in _MEASURES else Measure.METRIC)
