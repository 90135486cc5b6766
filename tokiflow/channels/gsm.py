"""What a text message holds: 160 letters of a small alphabet, or 70 of any.

The alphabet: GSM 03.38 (3GPP TS 23.038 §6.2.1). One letter outside of it, and all of the message is sent in UCS-2.
"""

from __future__ import annotations

import unicodedata

from tokiflow.channels import text

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")
"""Each of these takes the room of two."""

_PLAIN = {
    **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f", " "),
    "…": "...", "•": "*", "·": "-", "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "©": "(c)", "™": "(tm)", "⁄": "/",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "œ": "oe", "Œ": "OE", "þ": "th", "ð": "d", "°": "deg", "×": "x",
}  # fmt: skip
_PICTURES = frozenset({"So", "Sk", "Cf", "Me"})
"""Categories of pictures, of what joins them and of what frames them."""
_LOOKS = frozenset(map(chr, range(0xFE00, 0xFE10)))
"""What chooses the look of a picture."""


def plain(value: str) -> str:
    """`value` in the small alphabet, if that costs no more than accents, fine quotes and pictures.

    What has letters of another script stays as it is: a name is worth a longer message.
    """
    written = " ".join("".join(map(_plain_letter, unicodedata.normalize("NFC", value))).split())
    return written if fits_alphabet(written) else value


def _plain_letter(letter: str) -> str:
    if letter in BASIC or letter in EXTENDED:
        return letter
    if letter in _PLAIN:
        return _PLAIN[letter]
    parts = [one for one in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(one)]
    bare = "".join(_PLAIN.get(one, one) for one in parts)
    return "" if unicodedata.category(letter) in _PICTURES or letter in _LOOKS else bare


def fits_alphabet(value: str) -> bool:
    """Whether all of `value` can be said in the small alphabet."""
    return all(letter in BASIC or letter in EXTENDED for letter in value)


def segments(value: str) -> int:
    """How many messages a telephone network makes of `value`, and its owner pays for."""
    if fits_alphabet(value):
        return _parts(sum(2 if letter in EXTENDED else 1 for letter in value), 160, 153)
    return _parts(text.units(value), 70, 67)


def _parts(length: int, alone: int, joined: int) -> int:
    """Joined ones say in a few letters of each where it belongs."""
    return 1 if length <= alone else -(-length // joined)
