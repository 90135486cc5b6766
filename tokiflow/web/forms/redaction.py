"""The form for what an organization wants hidden in output."""

from __future__ import annotations

from wtforms import TextAreaField

from tokiflow.web.forms.base import Form, lines


class Redaction(Form):
    """Patterns, one a line."""

    patterns = TextAreaField("Also hide")

    def wanted(self) -> list[str]:
        """The patterns that were written."""
        return list(lines(self.patterns.data))
