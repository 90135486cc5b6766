"""Secrets that are known by their form, whatever they are called: API keys, tokens, private keys.

The forms are those the makers publish, as scanners of repositories use them. A form without an unmistakable prefix
must not begin inside of a word: "task-…" holds no OpenAI key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from tokiflow.core.redaction.spans import Span

_SHORTEST = 20
"""No token below is shorter, counting letters, digits, `-` and `_` in a row. Most texts have no such word at all."""

_WORD = bytes(
    ord("w") if byte in b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-" else 0
    for byte in range(256)
)


class Form(NamedTuple):
    """A kind of token: how it may begin and how it goes on.

    `inside`: it may begin inside of a word. `shown`: what it begins with is no part of the secret (a URL's host).
    The end is possessive throughout: a token goes on as long as it can, and what fails has been read once.
    """

    kind: str
    beginnings: str
    end: str
    inside: bool = False
    shown: bool = False


_FORMS = (
    Form("AWS key", "AKIA ASIA ABIA ACCA", r"[A-Z2-7]{16}(?![0-9A-Za-z])"),
    Form("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[0-9A-Za-z_]{30,}+", inside=True),
    Form("GitHub token", "github_pat_", r"[0-9A-Za-z_]{22,}+", inside=True),
    Form("GitLab token", "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glimt- glagent-",
         r"[\w.-]{20,}+", inside=True),
    Form("Slack token", "xoxa- xoxb- xoxc- xoxd- xoxe- xoxo- xoxp- xoxr- xoxs- xoxe.xoxb- xoxe.xoxp- xapp-",
         r"[0-9A-Za-z%-]{15,}+", inside=True),
    Form("Slack webhook", "hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/",
         r"[\w/%.-]{10,}+", inside=True, shown=True),
    Form("Discord webhook", "/api/webhooks/", r"[0-9]{15,22}/[\w-]{20,}+", inside=True, shown=True),
    Form("Stripe key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", r"[\w+/=]{14,}+", inside=True),
    Form("Google key", "AIza", r"[\w-]{35,}+"),
    Form("Google key", "ya29. GOCSPX-", r"[\w.-]{20,}+"),
    Form("Azure key", "?sig= &sig= ;sig=", r"[\w%+/-]{20,}+=*+", inside=True, shown=True),
    Form("Azure key", "7Q~ 8Q~", r"(?<=[\w~.-]{6})[\w~.-]{31,34}+", inside=True),
    Form("API key", "sk-", r"[\w-]{20,}+"),
    Form("API key", "tfk_", r"[0-9A-Za-z]{4,}+_[0-9A-Za-z]{20,}+", inside=True),
    Form("ping token", "/ping/", r"[\w-]{20,64}+(?![\w-])", inside=True, shown=True),
    Form("npm token", "npm_", r"[0-9A-Za-z]{30,}+", inside=True),
    Form("PyPI token", "pypi-", r"[\w-]{50,}+", inside=True),
    Form("SendGrid key", "SG.", r"[\w-]{16,64}+\.[\w-]{30,}+"),
    Form("Twilio key", "SK", r"[0-9a-f]{32}(?![0-9A-Za-z])"),
    Form("Telegram token", ":AA", r"(?<=[0-9]{8}:AA)[\w-]{32,}+", inside=True, shown=True),
    Form("JWT", "eyJ", r"(?<![\w-]eyJ)[\w-]{10,}+\.[\w-]*+\.[\w.-]*+"),
    Form("private key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{40,}+"),
    # A PEM block in base64, as in the secrets of Kubernetes.
    Form("private key", "LS0tLS1CRUdJTi",
         r"[0-9A-Za-z+/]{0,40}?(?:UFJJVkFURS|QUklWQVRF|BSSVZBVE)[0-9A-Za-z+/]*+=*+"),
    # Hugging Face, DigitalOcean, Shopify, Square, Vault, Grafana, Sentry, Docker, Atlassian, Postman, RubyGems, Linear,
    # Brevo, Figma, Notion, Doppler, PlanetScale.
    Form("token", "hf_ dop_v1_ doo_v1_ dor_v1_ shpat_ shpca_ shppa_ shpss_ sq0atp- sq0csp- hvs. hvb. hvr. glsa_ sntrys_"
         " sntryu_ dckr_pat_ ATATT3 PMAK- rubygems_ lin_api_ xkeysib- figd_ ntn_ dp.pt. dp.st. dp.ct. dp.sa."
         " pscale_pw_ pscale_tkn_ pscale_oauth_", r"[\w=.-]{20,}+"),
    Form("token", "dapi", r"[0-9a-f]{32,}+"),  # Databricks
    Form("token", "pul-", r"[0-9a-f]{40,}+"),  # Pulumi
)  # fmt: skip
_ENDS = {
    beginning.encode(): (form, re.compile(form.end.encode()))
    for form in _FORMS
    for beginning in form.beginnings.split()
}


def _any(beginnings: Iterable[str], known: str = "") -> str:
    """A pattern for any of `beginnings`, all of which begin with `known`, as a tree of first and second letters.

    Only where every branch begins with a letter does `re` skip to the next place that could be one.
    """
    if len(known) < 2:
        groups = groupby(sorted(beginnings), key=lambda beginning: beginning[len(known)])
        return "|".join(f"{re.escape(letter)}(?:{_any(group, known + letter)})" for letter, group in groups)
    edge = f"(?<![0-9A-Za-z]{re.escape(known)})"
    return "|".join(
        ("" if _ENDS[beginning.encode()][0].inside else edge) + re.escape(beginning[2:]) for beginning in beginnings
    )


_BEGINNING = re.compile(_any(beginning.decode() for beginning in _ENDS).encode())

_KEY_BLOCK = re.compile(rb"-{4,5} ?(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}")


def tokens(text: bytes) -> Iterator[Span]:
    """API keys and tokens, each wholly."""
    if b"w" * _SHORTEST not in text.translate(_WORD):
        return
    done = 0
    for begun in _BEGINNING.finditer(text):
        form, pattern = _ENDS[begun[0]]
        ended = pattern.match(text, begun.end()) if begun.start() >= done else None
        if ended:
            done = ended.end()
            yield Span(begun.end() if form.shown else begun.start(), done, form.kind)


def key_blocks(text: bytes) -> Iterator[Span]:
    """Private keys in PEM, with their first and last line.

    Where only the beginning or the end of an output is at hand, a block may lack its END or its BEGIN: then all
    that could belong to it is part of it, to the end of the text or from its start.
    """
    if b"PRIVATE KEY" not in text:
        return
    begun: int | None = None
    for line in _KEY_BLOCK.finditer(text):
        if line[1] == b"BEGIN":
            begun = line.start() if begun is None else begun
        elif begun is not None:
            yield Span(begun, line.end(), "private key")
            begun = None
        else:
            yield Span(0, line.end(), "private key")
    if begun is not None:
        yield Span(begun, len(text), "private key")
