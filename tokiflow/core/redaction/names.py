"""Secrets that are known by what they are called: `password=…`, `Authorization: …`, `scheme://user:…@host`.

One scan over the text in small letters finds the names; only where one stands before something like an assignment is
looked at more closely, on the text as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokiflow.core.redaction.spans import Span

_NAMES = rb"(?:pass|pwd|secret|token|key|credential)"
_QUOTE = rb"(?:\\{0,3}[\"'`])"

# Nothing but literals: only so `re` skips fast to where one could begin.
_HINT = re.compile(rb"p(?:ass|wd)|secret|token|key|c(?:redential|ookie)|authorization|b(?:earer|asic)|:(?://|\\/)")

# `\x1b` stands for a colour. A name may go on ("password_prod") and be quoted or an index ("params['password']"). Then
# comes what assigns, or just a space: that counts after "--password", and is decided below.
_PLACE = re.compile(
    rb"""
    (?P<name> NAMES [\w.-]{0,64}+ ) (?: QUOTE? \]? \x1b*+ )
    (?: [ \t]{0,40}+ \x1b*+ (?P<sign> => | :=? (?!:) (?!\\?/\\?/) | ={1,2} ) [ \t\x1b]*+
        | (?P<gap> [ \t\x1b\0]++ | , [ ]? (?=[\"']) ) )
        (?=[^\s\0])
    | (?P<cookie> cookie QUOTE? [ \t]*+ : [ \t\x1b]*+ QUOTE? (?=[\w!#$%&*+.^|~-]{1,128}=) )
    | (?P<scheme> authorization [^\w\r\n]{1,12}+ (?:bearer|basic|token|negotiate|ntlm|api-?key|jwt|key|sso-key
        |sharedkey) [ \t\x1b]++ )
    | (?P<signed> authorization [^\w\r\n]{1,12}+ (?:digest|aws4-hmac-sha256|hawk|oauth|signature|mac|hmac) [ \t\x1b]++ )
    | (?P<bare> (?<![\w-]) (?:bearer|basic) [ \t\x1b]++ )
    | (?P<url> : (?:\\?/){2} [^\s/:@\"'<>]{0,256} : (?=[^\s/\"'<>]{1,1024}@) (?![0-9]{1,5}[/?\#]) )
    """.replace(b"NAMES", _NAMES).replace(b"QUOTE", _QUOTE),
    re.VERBOSE,
)

_KINDS = {"cookie": "cookie", "scheme": "authorization", "signed": "authorization", "url": "password"}
_VALUES = {
    "cookie": re.compile(rb"[^\r\n\"'`]++"),
    "scheme": re.compile(rb"[^\s\"'`,;\x1b]++"),
    "signed": re.compile(rb"[^\r\n\x1b]++"),
    "bare": re.compile(rb"(?=[A-Za-z._~+/=-]{0,200}[0-9])[\w.~+/=-]{12,}+"),
    "url": re.compile(rb"[^\s/\"'<>]{1,1024}(?=@)"),
}

# In quotes: to the quote that closes; over several lines if it does so soon, or else to the end of the line. Without:
# to the next space, and over a separator or a quote only where it does not end the value as well.
_QUOTED = re.compile(
    rb"(?:[bBrRuUfF]{1,2}(?=[\"']))?(?P<quote>\\{0,3}[\"'`])"
    rb"(?P<value>(?:(?!(?P=quote))(?:\\[^\r\n]|[^\r\n]))*+(?=(?P=quote))"
    rb"|(?:(?!(?P=quote))(?:\\.|[^\\])){0,4096}+(?=(?P=quote))|[^\r\n]*+)",
    re.DOTALL,
)
_ENDS = rb"(?=[\s\x1b\0]|[\w.\[\]-]{1,40}[=:]|[\"'`\])},;&\\]|\Z)"
_PLAIN = re.compile(
    rb"(?:[^\s\"'`,;&\])}\x1b\0\\]|\x1b++(?=[^\s\"'`,;&\])}\x1b\0])|[\"'`](?![\s,;:)\]}&\x1b\0]|\Z)"
    rb"|[,;&\])}](?!ENDS)|\\(?!\\{0,2}[\"']))++".replace(b"ENDS", _ENDS)
)

_NAME = re.compile(rb"(?i)" + _NAMES)
_PASSWORD = re.compile(rb"(?i)pass(?:w(?:or)?d|phrase|code|key)?|pwd")
_KEY_BEFORE = re.compile(
    rb"(?i)(?:api|access|private|secret|account|auth|encryption|signing|signature|master|shared|storage|client"
    rb"|subscription|license|deploy|service|webhook|app|application)[_.-]?\Z"
)
_NAME_END = re.compile(rb"[\w.-]\Z")
_OPTION = re.compile(rb"(?i)(?:(?<![\w-])--?[\w-]{0,40}|\blogin[ \t]{1,8}[^\s]{1,64}\s{1,40})\Z")

_LONG = 256

# What a name goes on with when it names something about a secret.
_ABOUT = frozenset(
    b"age alg algorithm at attempts audience budget change changed check class count counts created date days dir"
    b" directory enabled endpoint env error errors exists expiration expired expires expiry field fields file"
    b" filename format hint id ids index input invalid issuer kind label last len length lifetime limit limits"
    b" manager max method min missing mode name names num number option path per policy prefix present prompt"
    b" provider rate ref reference required reset rotation rules scope scopes set size source state status stdin"
    b" store strength timeout total ttl type types uri url usage used user username valid validation validity"
    b" version".split()
)
_NOTHING = frozenset(
    b"any bool bytes empty false filtered hidden int masked missing n/a nil no none null off ok on optional"
    b" redacted str string true undefined unset yes".split()
)
_PROSE = frozenset(
    b"a an and are argument as be been before but by can cannot changed check correct could do does error expired"
    b" failed field flag for found from has have if in incorrect invalid is it login may must needs not of only"
    b" option or please policy prompt required requires reset should that the this to too try unknown updated was"
    b" were when will with wrong you your".split()
)
_MASK = re.compile(
    rb"[*.x\xe2\x80\xa2-]++|<[^<>]*+>|\[[A-Za-z ]{1,20}\]|[\[{(|>]-?+"  # ****, <password>, [FILTERED], a list begins
    rb"|\$\{?[A-Z_][0-9A-Z_]*+\}?|\$[({].*|%[sdrv]|%\(\w*+\)s|\{\{.*|\{\w*+\}"  # $VAR, $(…), %s, {{ … }}, {name}
)
# A key may well begin with a slash, but not be all small letters besides.
_PATH = re.compile(rb"[A-Za-z]:\\[^\r\n]*+|/|~|~?(?:/[a-z0-9._-]++)++/?")
_FOLDER = re.compile(rb"~?(?:/[\w.-]++)++/?")
_FIGURE = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{1,6})?[A-Za-z%]{0,2}")
_SMALL_WORD = re.compile(rb"[a-z]++[.!?:]?")


def values(text: bytes) -> Iterator[Span]:
    """What stands under a secret's name, after an authorization scheme, or as the password of a URL."""
    small = text.lower()
    done = 0
    for hint in _HINT.finditer(small):
        place = _PLACE.match(small, hint.start()) if hint.start() >= done else None
        span = _value(text, place) if place else None
        if span:
            yield span
            # Names inside of a value may have values that go on after it; in a long one that would take for ever.
            done = span.end if span.end - span.start > _LONG else 0


def _value(text: bytes, place: re.Match[bytes]) -> Span | None:
    name = place.lastgroup or ""
    if name not in _VALUES:
        return _assigned(text, place)
    value = _VALUES[name].match(text, place.end())
    return Span(value.start(), value.end(), _KINDS.get(name, "token")) if value else None


def _assigned(text: bytes, place: re.Match[bytes]) -> Span | None:
    before, name = text[max(0, place.start() - 40) : place.start()], text[place.start() : place.end("name")]
    kind, sign = _kind(before, name), place["sign"]
    if kind is None or (sign is None and not _given_after_space(text, place, kind)):
        return None
    quoted = _QUOTED.match(text, place.end())
    if not quoted and _is_result(before, name, sign, text[place.end() : place.end() + 12]):
        return None
    value = quoted or _PLAIN.match(text, place.end())
    if value is None:
        return None
    start, end = value.span("value") if quoted else value.span()
    return Span(start, end, kind) if _is_secret(text[start:end], kind, bool(quoted), sign) else None


def _kind(before: bytes, name: bytes) -> str | None:
    """What a thing called `name` is: a kind of secret, or None if the name only speaks about one.

    `name` begins with the first word of a secret in it; `before` is what stands in front of it.
    """
    *_, last = _NAME.finditer(name)
    before, word, after = before + name[: last.start()], last[0].lower(), name[last.start() :]
    password = _PASSWORD.match(after)
    after = after[password.end() if password else len(word) :]
    if after[:1] in b"sS" and not after[1:2].isalpha():
        after = after[1:]
    if after[:1].isalpha() and not (after[:1].isupper() and name[last.end() - 1 : last.end()].islower()):
        return None  # "tokenizer", "passed", "secretary"
    if any(part.lower() in _ABOUT for part in re.findall(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", after)):
        return None
    if word == b"key":
        return "key" if _KEY_BEFORE.search(before) else None
    if password and password[0].lower() == b"pass" and before[-1:].isalpha() and not last[0].istitle():
        return None  # "bypass", "compass"
    return "password" if password else word.decode()


def _is_result(before: bytes, name: bytes, sign: bytes | None, after: bytes) -> bool:
    """Whether this is what a test says: "PASS: test_login" or "pass=3 fail=0"."""
    alone = name.lower() == b"pass" and not _NAME_END.search(before)
    return alone and (sign == b":" or re.match(rb"[0-9]{1,9}(?![^\s,;])", after) is not None)


def _given_after_space(text: bytes, place: re.Match[bytes], kind: str) -> bool:
    """`--password hunter2`, also as a list of arguments; `login bob password hunter2` (netrc); `PASSWORD '…'` (SQL)."""
    if kind == "password" and place["gap"].isspace() and text[place.end()] == ord("'"):
        return True
    return _OPTION.search(text[max(0, place.start() - 128) : place.start()]) is not None and text[place.end()] != ord(
        "-"
    )


def _is_secret(value: bytes, kind: str, quoted: bool, sign: bytes | None) -> bool:
    if len(value) > _LONG:
        return True
    small = value.strip().lower()
    if not small or small in _NOTHING or _MASK.fullmatch(value) or _PATH.fullmatch(value):
        return False
    if kind == "password" and _FOLDER.fullmatch(value):
        return False  # PWD
    if not quoted and sign in (b":", None) and small.rstrip(b".,:;!?") in _PROSE:
        return False
    if kind == "password":
        return True
    # "token: 500" counts, "tokens=[101, 7]" too, and "unexpected token: identifier" tells.
    if _FIGURE.fullmatch(value) or value[0] in b"[{(":
        return False
    return quoted or sign != b":" or not _SMALL_WORD.fullmatch(value)
