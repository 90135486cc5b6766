"""What the replies of a mail server mean: which are for good and about an address, which pass, which are about us."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tokiflow.errors import DeliveryError


def not_taken(recipients: Sequence[str], code: int, said: bytes) -> DeliveryError:
    """Why a mail was refused when it was there as a whole.

    Some servers look whether there is such a mailbox only when they have the mail; they say so by 5.1.x or 5.2.1.
    """
    nowhere = len(recipients) == 1 and code >= 500 and _NO_MAILBOX.search(said) is not None
    return DeliveryError(
        f"the mail server refused the mail: {line(code, said)}",
        status_code=code,
        permanent=nowhere,
        refused={recipients[0]: line(code, said)} if nowhere else None,
    )


def nobody(refused: Mapping[str, tuple[int, bytes]]) -> DeliveryError:
    """Why nobody may have the mail. Permanent only if each single address was refused for good; a grey list says 4xx
    first."""
    codes = [code for code, _ in refused.values()]
    for_good = {address: line(code, said) for address, (code, said) in refused.items() if _is_for_good(code, said)}
    return DeliveryError(
        "; ".join(refusals(refused)) or "the mail has no recipient",
        permanent=bool(codes) and len(for_good) == len(codes),
        status_code=codes[0] if codes else None,
        refused=for_good,
    )


# RFC 3463: 5.1.x bad address, 5.2.1 mailbox disabled. Any other class (5.7.x: relaying, authentication, policy;
# 5.2.2: full) is about us, or passes.
_NO_MAILBOX = re.compile(rb"(?<![0-9.])5\.(1\.(?!7\b|8\b)[0-9]+|2\.1)(?![0-9])")
_ENHANCED = re.compile(rb"(?<![0-9.])5\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_ABOUT_US = re.compile(rb"(?i)relay|authenticat|spam|blacklist|block ?list|blocked|\bspf\b|dkim|dmarc|sender|policy")
_ADDRESS_CODES = frozenset({521, 550, 551, 553, 556})


def _is_for_good(code: int, said: bytes) -> bool:
    """Whether an answer to RCPT means that this address will never take mail, and not that we may not send it.

    The enhanced status code says it plainly where there is one; many servers only say 550 and some words.
    """
    if _ENHANCED.search(said):
        return code >= 500 and _NO_MAILBOX.search(said) is not None
    return code in _ADDRESS_CODES and not _ABOUT_US.search(said)


def refusals(refused: Mapping[str, tuple[int, bytes]]) -> list[str]:
    """A line for each recipient that was refused."""
    return [f"{recipient} was refused: {line(code, said)}" for recipient, (code, said) in refused.items()]


def line(code: int, said: bytes) -> str:
    """A reply as one line of text."""
    return f"{code} {' '.join(said.decode('utf-8', 'replace').split())}"[:500]
