"""A small language for texts that customers write: `{{ monitor.name | upper }}`, `{% if … %}`, `{% for … %}`.

It is a language of its own, because it must be safe in anybody's hands, inside a worker that others wait for: a name is
looked up in plain values and nowhere else, there are no calls, no attributes and no assignments, and length, depth,
steps and what comes out are bounded. Sandboxes around larger languages hold back what they know of, and count no steps.

    reading    text → nodes; every mistake has a line, a column and what to write instead
    words      the same within a tag
    filters    what may be done to a value
    rendering  nodes and values → text, escaped for where it stands
"""

from tokiflow.core.templating.errors import TemplateError
from tokiflow.core.templating.modes import Mode
from tokiflow.core.templating.reading import LENGTH_LIMIT, read
from tokiflow.core.templating.rendering import OUTPUT_LIMIT, STEP_LIMIT, render
from tokiflow.core.templating.shapes import Shape

__all__ = ["LENGTH_LIMIT", "OUTPUT_LIMIT", "STEP_LIMIT", "Mode", "Shape", "TemplateError", "read", "render"]
