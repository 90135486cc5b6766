"""Letters for PDFs: Inter for what it has, DejaVu for other alphabets, and the reader's own fonts for Chinese, Japanese
and Korean, which PDF readers bring along. What none of them has is a box. Import it only in a job: reportlab is heavy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

FOLDER = Path(__file__).parents[2] / "fonts"
REGULAR, STRONG, OTHER = "Inter", "Inter SemiBold", "DejaVu Sans"
JAPANESE, KOREAN = "HeiseiKakuGo-W5", "HYGothic-Medium"
BOX = "□"
FITTING = 2_000
_RIGHT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+"
_BACKWARDS = re.compile(rf"{_RIGHT}(?:[ ,.–-]+{_RIGHT})*")


@cache
def ready() -> None:
    """Make the fonts known to reportlab; once for a process."""
    for name, file in ((REGULAR, "Inter-Regular"), (STRONG, "Inter-SemiBold"), (OTHER, "DejaVuSans-other")):
        pdfmetrics.registerFont(TTFont(name, str(FOLDER / f"{file}.ttf")))
    for name in (JAPANESE, KOREAN):
        pdfmetrics.registerFont(UnicodeCIDFont(name))


def draw(canvas: Canvas, x: float, y: float, text: str, size: float, font: str = REGULAR) -> float:
    """Write `text` from `x` on, on the line `y`; where it ends."""
    for name, piece in _pieces(text, font):
        canvas.setFont(name, size)
        canvas.drawString(x, y, piece)
        x += pdfmetrics.stringWidth(piece, name, size)
    return x


def draw_right(canvas: Canvas, x: float, y: float, text: str, size: float, font: str = REGULAR) -> None:
    """The same, so that it ends at `x`."""
    draw(canvas, x - width(text, size, font), y, text, size, font)


def width(text: str, size: float, font: str = REGULAR) -> float:
    """How wide `text` is, in points."""
    return float(sum(pdfmetrics.stringWidth(piece, name, size) for name, piece in _pieces(text, font)))


def wrapped(text: str, size: float, wide: float, most: int, font: str = REGULAR) -> list[str]:
    """`text` in lines no wider than `wide`, at most `most` of them; a word that fits on no line is broken."""
    lines = [""]
    for word in text.split():
        for piece in _broken(word, size, wide, font):
            joined = f"{lines[-1]} {piece}".lstrip()
            if width(joined, size, font) <= wide:
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines if len(lines) <= most else [*lines[: most - 1], cut(" ".join(lines[most - 1 :]), size, wide, font)]


def _broken(word: str, size: float, wide: float, font: str) -> Iterator[str]:
    """`word` in pieces that fit on a line."""
    while word and width(word, size, font) > wide:
        end = next((n for n in range(1, len(word)) if width(word[: n + 1], size, font) > wide), 1)
        yield word[:end]
        word = word[end:]
    yield word


def cut(text: str, size: float, wide: float, font: str = REGULAR) -> str:
    """`text`, or as much of it as fits, and an ellipsis."""
    if width(text, size, font) <= wide:
        return text
    while text and width(text + "…", size, font) > wide:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=FITTING)
def _pieces(text: str, font: str) -> tuple[tuple[str, str], ...]:
    ready()
    return tuple(_split(_as_seen(text), font))


def _split(text: str, font: str) -> Iterator[tuple[str, str]]:
    fitting = ((_font(letter, font), letter) for letter in text)
    for name, letters in groupby(fitting, key=lambda one: one[0]):
        piece = "".join(letter for _, letter in letters)
        yield (name, piece) if name else (OTHER, BOX * len(piece))


def _font(letter: str, font: str) -> str:
    """The first font that has it; none for what nobody can draw."""
    code = ord(letter)
    for name in (font, OTHER):
        if code in pdfmetrics.getFont(name).face.charToGlyph:
            return name
    if 0x1100 <= code < 0x1200 or 0xAC00 <= code < 0xD7B0:
        return KOREAN
    return JAPANESE if 0x2E80 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or 0xFF00 <= code < 0xFFF0 else ""


def _as_seen(text: str) -> str:
    """Composed, without what has no width, and right-to-left words as they are seen: PDFs know no order of reading."""
    seen = [
        one for one in unicodedata.normalize("NFC", text) if unicodedata.category(one) not in ("Cc", "Cf", "Mn", "Me")
    ]
    return _BACKWARDS.sub(lambda found: found[0][::-1], "".join(seen))
