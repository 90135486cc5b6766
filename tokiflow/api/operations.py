"""The table of operations. Routes, scopes and OpenAPI are all made of it, so none can say what another doesn't."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flask import Response

from tokiflow.api.parameters import Parameter
from tokiflow.core.roles import Right

V1 = "/api/v1"
TABLE = "tokiflow.api"
"""Where the app keeps the whole table."""
View = Callable[..., Response]
Schema = Mapping[str, Any]


class Scope(StrEnum):
    """What a key must be allowed to do."""

    READ = "read"
    WRITE = "write"
    PING = "ping"


@dataclass(frozen=True)
class Body:
    """What an operation takes: `schema` names one of `openapi.SCHEMAS`. Optional bodies may be left out altogether."""

    schema: str
    example: Any
    required: bool = True


@dataclass(frozen=True)
class Answer:
    """One answer of success: `schema` names one of `openapi.SCHEMAS`, or is None for none or for bytes."""

    description: str
    schema: str | None = None
    example: Any = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method on one path. `scope` None means that anybody may, without a key."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str
    view: View
    scope: Scope | None
    answers: Mapping[int, Answer]
    query: tuple[Parameter[Any], ...] = ()
    body: Body | None = None
    problems: frozenset[int] = frozenset()
    # Whether it speaks to the outside, which no transaction may be held open for.
    outside: bool = False

    @property
    def right(self) -> Right:
        """What a person would need to do the same on the pages."""
        return Right.SEE if self.method == "GET" else RIGHTS[self.tag]


RIGHTS = {
    "Monitors": Right.EDIT_MONITORS,
    "Maintenance": Right.EDIT_MONITORS,
    "Incidents": Right.WORK_INCIDENTS,
    "Deliveries": Right.WORK_INCIDENTS,
    "Channels": Right.EDIT_CHANNELS,
    "Pings": Right.PING,
}
"""By tag: the right that changing something needs."""


@dataclass
class Operations:
    """The operations of one noun, filled by decorating its views."""

    tag: str
    rows: list[Operation] = field(default_factory=list)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.rows)

    def get(self, path: str, name: str, answer: Answer, *, public: bool = False, **rest: Any) -> Callable[[View], View]:
        """Reads. Needs the scope `read`, unless it is `public`."""
        answers = {200: answer} | rest.pop("more", {})
        return self._add("GET", path, name, None if public else Scope.READ, answers, rest)

    def post(
        self, path: str, name: str, answers: Mapping[int, Answer], *, scope: Scope = Scope.WRITE, **rest: Any
    ) -> Callable[[View], View]:
        """Does something, once for each Idempotency-Key. Needs `scope`."""
        return self._add("POST", path, name, scope, answers, rest)

    def patch(self, path: str, name: str, answer: Answer, **rest: Any) -> Callable[[View], View]:
        """Changes what is named and leaves the rest. Needs the scope `write`."""
        return self._add("PATCH", path, name, Scope.WRITE, {200: answer}, rest)

    def delete(self, path: str, name: str, **rest: Any) -> Callable[[View], View]:
        """Deletes. Needs the scope `write`."""
        return self._add("DELETE", path, name, Scope.WRITE, {204: Answer("It is gone.")}, rest)

    def _add(
        self,
        method: str,
        path: str,
        name: str,
        scope: Scope | None,
        answers: Mapping[int, Answer],
        rest: dict[str, Any],
    ) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            # The first sentence of the view's docstring is the summary that outsiders read, the rest the description.
            summary, _, description = " ".join((view.__doc__ or "").split()).partition(". ")
            self.rows.append(
                Operation(method, path, name, self.tag, summary.rstrip("."), description, view, scope, answers, **rest)
            )
            return view

        return decorate
