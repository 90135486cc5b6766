"""Making and changing a thing that has a version, as two people may at once.

The form comes with the version it was opened at. Whoever saves second is shown that somebody was first, with all that
was typed still there, and saving again is meant then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from flask import Response, request, url_for

from tokiflow import errors
from tokiflow.models import MaintenanceWindow, Monitor
from tokiflow.queries import audit
from tokiflow.web import htmx
from tokiflow.web.forms.base import DraftForm, Reading

Thing = TypeVar("Thing", bound=Monitor | MaintenanceWindow)
Form = TypeVar("Form", bound=DraftForm)


class Editor(ABC, Generic[Thing, Form]):
    """The form for a new thing, or for `thing`. `check` reads it; `values` then are what the service takes."""

    room: ClassVar[str]
    """The blueprint, and the folder of its templates."""
    presets_of: ClassVar[Sequence[tuple[str, Mapping[str, str]]]]
    """Words, and what fields then hold."""

    def __init__(self, organization_id: UUID, now: datetime, thing: Thing | None, form: Form) -> None:
        self.organization_id = organization_id
        self.now = now
        self.thing: Thing | None = thing
        self.form = form
        self.values: Mapping[str, Any] = {}
        self._apply_preset()

    @property
    @abstractmethod
    def address(self) -> dict[str, Any]:
        """What its pages want beside their names; nothing for a new one."""

    @property
    @abstractmethod
    def preview(self) -> object:
        """What will come of it as typed."""

    @abstractmethod
    def mistakes_in(self, reading: Reading) -> dict[str, list[str]]:
        """What the rules say of the values that could be read. It may add to `reading`."""

    @abstractmethod
    def show_conflict(self, theirs: Thing, by: str) -> None:
        """Show that `by` saved `theirs` meanwhile."""

    @property
    def action(self) -> str:
        """Where the form is sent."""
        return url_for(f"{self.room}.{'edit' if self.thing else 'new'}", **self.address)

    @property
    def cancel(self) -> str:
        """Where to go without saving."""
        return url_for(f"{self.room}.{'show' if self.thing else 'index'}", **self.address)

    @property
    def presets(self) -> list[tuple[str, str]]:
        """Schedules by one press, as (value of the button, words)."""
        return [(str(number), words) for number, (words, _) in enumerate(self.presets_of)]

    @property
    def only_asks(self) -> bool:
        """Whether the form came for a preset, a preview or to find a monitor, and not to be saved."""
        return request.method == "GET" or not {"preset", "preview", "find"}.isdisjoint(request.form)

    @property
    def version(self) -> int:
        """The version of the thing when its form was opened. Raises Malformed if it was tampered with."""
        return self.form.edited_version()

    def check(self) -> bool:
        """Whether everything typed can be read; `values` then hold it. If not, the form shows all that is wrong."""
        reading = self.form.read()
        mistakes = {**self.mistakes_in(reading), **reading.mistakes}
        if mistakes or not self.form.validate():
            self.form.refuse(errors.Invalid(mistakes))
            return False
        self.values = reading.values
        return True

    def page(self, status: int = 200) -> Response:
        """The form as it stands."""
        full = f"{self.room}/edit.html" if self.thing else f"{self.room}/new.html"
        made = htmx.page(full, f"{self.room}/_form.html", status, editor=self, form=self.form, preview=self.preview)
        return htmx.wake(made, "preview-source") if htmx.is_htmx() else made

    def answer(self, save: Callable[[], Response], again: Callable[[], Thing] | None = None) -> Response:
        """The form, or the answer of `save` where it could be saved. `again` loads the thing as it is by now."""
        if self.only_asks:
            return self.page()
        if self.check():
            try:
                return save()
            except errors.Invalid as refused:
                self.form.refuse(refused)
            except errors.Conflict:
                if again is None:
                    raise
                self._meet(again())
                return self.page(409)
        return self.page(422)

    def _meet(self, theirs: Thing) -> None:
        deed = next(iter(audit.of_object(self.organization_id, theirs.id, 1)), None)
        self.show_conflict(theirs, deed.by if deed else "Somebody")
        self.form.version.data = str(theirs.version)

    def _apply_preset(self) -> None:
        chosen = request.form.get("preset", "")
        if chosen.isascii() and chosen.isdigit() and int(chosen[:4]) < len(self.presets_of):
            for name, value in self.presets_of[int(chosen[:4])][1].items():
                self.form[name].data = value
