"""A month of believable history for the first organization, so that every page has something to show.

The `jobs` are invented; what follows from them is not: `history` says what each job sent and when, `replay` takes that
through the rules of `core`, `tables` writes the rows, and `story` lets the incidents happen through the services
themselves, one after the other, with people who answer them. `alive` pings on, so that the picture holds.
"""

from __future__ import annotations

from tokiflow.local.demo.alive import beat
from tokiflow.local.demo.filling import Filled, fill

__all__ = ["Filled", "beat", "fill"]
