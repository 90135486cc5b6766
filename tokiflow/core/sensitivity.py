"""How much must be wrong before somebody is told: a person's choice, and what it means in numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Sensitivity(StrEnum):
    """How much must be wrong before somebody is told."""

    OFF = "off"
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Taste(NamedTuple):
    """What it takes to be told. On the logarithmic scale: `floor` is the least standard deviation, `young` how far off
    a run may be before each weekday was seen. `alarms`, how many in a year and on each side may be due to chance;
    `slower`, the least factor over the usual that makes slow runs worth a word; `margin`, how much wider a band is made
    where that hides nothing that must be found."""

    floor: float
    young: float
    alarms: float
    slower: float
    margin: float


TASTES = {
    Sensitivity.LOW: Taste(0.15, 1.0, 0.01, 1.5, 1.5),
    Sensitivity.NORMAL: Taste(0.1, 0.85, 0.12, 1.2, 1.5),
    Sensitivity.HIGH: Taste(0.06, 0.5, 2.0, 1.1, 1.0),
}
# Who is not told still has the level of the job followed, for the day on which they want to be told.
TASTES[Sensitivity.OFF] = TASTES[Sensitivity.NORMAL]
