"""Who did it: a person, an API key, or Tokiflow itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Actor:
    """`kind` is person, api_key, job, slack or system; `name` is what the timeline shows, as it was then; `address` the
    network address it came from, where there was one."""

    kind: str
    name: str
    id: UUID | None = None
    address: str = ""


TOKIFLOW = Actor("system", "Tokiflow")
THE_JOB = Actor("job", "the job")
