"""The form that all forms are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flask import g, request
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField
from wtforms.fields.choices import SelectChoice

from tokiflow import errors


class Form(FlaskForm):  # type: ignore[misc]
    """A form with CSRF protection that shows what a service found wrong beside the fields it is about."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        def wrap_formdata(self, form: FlaskForm, formdata: Any) -> Any:
            """What was sent, if it was a form: pages take no JSON, though flask-wtf would. Or what had been typed
            before the person was asked who they are (proofs.keeping)."""
            if request.is_json:
                return None
            sent = super().wrap_formdata(form, formdata)
            return g.get("draft") if sent is None and formdata is not None else sent

    def take(self, invalid: errors.Invalid) -> None:
        """Show the mistakes of `invalid`: `name` at the field `name`, `config.url` at `config_url` or `url`, and what
        no field is called at the top of the form."""
        for name, mistakes in invalid.fields.items():
            sentences = [_sentence(mistake) for mistake in mistakes]
            field = self._field_for(name)
            if field is None:
                self.form_errors.extend(f"{name} {mistake}" for mistake in mistakes)
            else:
                field.errors = [*field.errors, *sentences]

    def _field_for(self, name: str) -> Field | None:
        names = (name, name.replace(".", "_"), name.rpartition(".")[2])
        return next((self[one] for one in names if one in self), None)


class VersionedForm(Form):
    """The form of a thing that two people may change at once: it knows which version it was opened at."""

    version = HiddenField()

    def edited_version(self) -> int:
        """The version of the thing when the form was opened. Raises Malformed if it was tampered with."""
        written = str(self.version.data or "")
        if not (written.isascii() and written.isdigit() and len(written) < 10):
            raise errors.Malformed("This form is broken. Open it again.")
        return int(written)


@dataclass(frozen=True)
class Reading:
    """What a form means (`values`), and what nobody can read (`mistakes`, by the name of the value)."""

    values: dict[str, Any] = field(default_factory=dict)
    mistakes: dict[str, list[str]] = field(default_factory=dict)

    def take(self, name: str, read: Callable[[], Any]) -> None:
        """Note the value called `name`, or why it cannot be read."""
        try:
            self.values[name] = read()
        except errors.Invalid as refused:
            self.mistakes.update(refused.fields)
        except ValueError as error:
            self.mistakes[name] = [str(error)]


class DraftForm(VersionedForm):
    """A form whose values are a draft of core."""

    def read(self) -> Reading:
        """What was typed, as the values that drafts and services take, and what can't be read at all."""
        raise NotImplementedError

    def refuse(self, refused: errors.Invalid) -> None:
        """Show what drafts and services find wrong beside the fields it is about."""
        raise NotImplementedError


def choices(named: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    """What can be chosen, from pairs of value and word."""
    return [SelectChoice(value, word) for value, word in named]


def lines(text: str | None) -> list[str]:
    """The lines of `text` that say something."""
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def _sentence(mistake: str) -> str:
    """Services say "is missing; write …" of a field that the page names right above: the sentence gets its subject."""
    if not mistake[:1].islower():
        return mistake
    return f"It {mistake}" + ("" if mistake.endswith((".", "?")) else ".")
