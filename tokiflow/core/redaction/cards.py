"""Payment card numbers: the right length, a prefix that an issuer uses, and a check digit that fits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokiflow.core.redaction.spans import Span

_ZEROS = bytes.maketrans(b"123456789", b"000000000")

# Tried at every place that could be the first digit, so that a year before a card does not hide it. Groups as they are
# printed on cards, all with the same separator.
_NUMBER = re.compile(
    rb"(?<![0-9A-Za-z])(?<![0-9]\.)"
    rb"(?=([2-6][0-9]{12,18}|[2-6][0-9]{3}([ -])[0-9]{4}\2[0-9]{4}\2[0-9]{1,4}(\2[0-9]{1,3})?"
    rb"|3[0-9]{3}([ -])[0-9]{6}\4[0-9]{4,5})(?![0-9A-Za-z]))"
)

_ISSUERS = re.compile(
    rb"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    rb"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    rb"|3[47][0-9]{13}"  # American Express
    rb"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover
    rb"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners Club
    rb"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    rb"|62[0-9]{14,17}"  # UnionPay
    rb"|220[0-4][0-9]{12,15}"  # Mir
    rb"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{9,15}"  # Maestro
)


def numbers(text: bytes) -> Iterator[Span]:
    """Card numbers, plain or in groups."""
    # Thirteen digits, but for spaces and dashes: most texts have none, and finding out costs next to nothing.
    if b"0" * 13 not in text.translate(_ZEROS, b" -"):
        return
    for found in _NUMBER.finditer(text):
        start, end = found.span(1)
        shorter = found.start(3) if found[3] else end
        for until in (end, shorter):
            if _is_card(text[start:until].translate(None, b" -")):
                yield Span(start, until, "card number")
                break


def _is_card(digits: bytes) -> bool:
    return _ISSUERS.fullmatch(digits) is not None and _check_sum(digits) % 10 == 0


def _check_sum(digits: bytes) -> int:
    """Luhn's, as in ISO/IEC 7812-1."""
    plain = sum(digit - 48 for digit in digits[::-2])
    return plain + sum(sum(divmod((digit - 48) * 2, 10)) for digit in digits[-2::-2])
