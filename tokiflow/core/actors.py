"""Who did it: a person, an API key, or Tokiflow itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Actor:
    """`kind` is person, api_key, job or system; `name` is what the timeline shows, as it was then."""

    kind: str
    name: str
    id: UUID | None = None


TOKIFLOW = Actor("system", "Tokiflow")
THE_JOB = Actor("job", "the job")
