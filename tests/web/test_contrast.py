"""Text is at least 4.5 : 1 and shapes 3 : 1 against what lies under them, in the light and in the dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tokiflow

TOKENS = Path(tokiflow.__file__).parent / "static" / "css" / "tokens.css"
PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
COLOURS = {name: (light, dark) for name, light, dark in PAIR.findall(TOKENS.read_text())}

SURFACES = ("paper", "card", "sunk", "hover")
TEXT = [
    (ink, surface) for ink in ("ink", "ink-2", "ink-3", "accent", "up", "late", "down", "rest") for surface in SURFACES
]
TEXT += [(kind, f"{kind}-soft") for kind in ("up", "late", "down", "rest", "accent")]
TEXT += [("ink", f"{kind}-soft") for kind in ("up", "late", "down", "rest", "accent")]
TEXT += [(f"{kind}-ink", name) for kind in ("accent", "down") for name in (kind, f"{kind}-strong")]
TEXT += [("ink-2", "accent-soft"), ("ink-2", "down-soft")]
TERMINAL = [f"ansi-{number}" for number in range(16)]
TEXT += [(ink, surface) for ink in TERMINAL for surface in ("card", "sunk", "accent-soft")]
TEXT += [(ink, f"ground-{number}") for ink in (*TERMINAL, "ink", "ink-2") for number in range(8)]
TEXT += [("paper", "late"), ("paper", "accent"), ("ink-2", "up-soft")]
SHAPES = [(shape, surface) for shape in ("edge", "tick") for surface in ("paper", "card", "hover")]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "surface"), TEXT)
def test_text_can_be_read(ink: str, surface: str, scheme: int) -> None:
    assert contrast(COLOURS[ink][scheme], COLOURS[surface][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "surface"), SHAPES)
def test_shapes_can_be_seen(shape: str, surface: str, scheme: int) -> None:
    assert contrast(COLOURS[shape][scheme], COLOURS[surface][scheme]) >= 3


def test_no_other_stylesheet_names_a_colour_of_text() -> None:
    for sheet in TOKENS.parent.glob("*.css"):
        if sheet != TOKENS:
            assert not re.findall(r"(?<![-\w])color: *#", sheet.read_text()), sheet.name
