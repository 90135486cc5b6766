"""What people write, in Markdown, as HTML that can do no harm."""

from __future__ import annotations

from markupsafe import Markup


def markdown(text: str) -> Markup:
    """`text` as HTML. Lines break where they were broken.

    What reads it is loaded when somebody has written something, and not before: see docs/decisions/012.
    """
    from tokiflow.web.markdown_reader import washed

    return Markup(washed(text))
