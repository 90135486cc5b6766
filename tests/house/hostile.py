"""What nobody should ever send, and how to read an answer for whether any of it came to life."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import quote_plus, urlsplit

from werkzeug.test import TestResponse

PRODUCT = "103603"
"""313 · 331: nobody writes it, so where it stands a template has run."""

STRINGS: tuple[str, ...] = (
    "<script>tkevil()</script>",
    '"><tkevil onload=tkevil()>',
    "' tkattr='x' onfocus='tkevil()",
    '" tkattr="x" autofocus onfocus="tkevil()',
    "</textarea></title></script><tkevil>",
    "<!--<tkevil>--!><tkevil>",
    "<svg/onload=tkevil()>",
    "javascript:tkevil()//https://a.example",
    "JaVaScRiPt:tkevil()",
    "data:text/html,<script>tkevil()</script>",
    "{{313*331}}",
    "{% print(313*331) %}",
    "${313*331}#{313*331}<%= 313*331 %>",
    "{0.__class__.__mro__}%(password)s%n%s%s",
    "\x00",
    "before\x00after",
    "\x01\x08\x0b\x1b[31m\x7f\x85",
    "\u202e\u2066evil\u2069\u200f",
    "\ufeff\u200b\u2028\u2029",
    "e\u0301" * 40 + "Z\u0351\u036b\u0343" * 40,
    "\ud800",
    "half \udfff of one",
    "👩‍👩‍👧‍👦" * 30,
    "a" * 20_000,
    "ａ" * 3_000,
    "[" * 2_000,
    "' or '1'='1' --",
    "1; drop table users; --",
    "%' union select null, version() --",
    "\\'; select pg_sleep(9); --",
    "x\r\nX-Tk-Evil: 1\r\n\r\n<tkevil>",
    "x%0d%0aX-Tk-Evil:%201",
    "\r\nSet-Cookie: tkevil=1",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "\\\\evil.example\\share",
    "//evil.example/%2f..",
    "https:evil.example",
    "http://127.0.0.1:22/",
    "http://[::1",
    "http://a:b@[fe80::1%25eth0]:99999/",
    "-1",
    "0",
    "1e400",
    "NaN",
    "-Infinity",
    "9" * 400,
    "2147483648",
    "9223372036854775808",
    "0x7fffffff",
    "٣٤",
    "1_000",
    "true",
    "null",
    "[]",
    '{"$sealed": "x"}',
    "9999-12-31T23:59:59.999999999Z",
    "0000-00-00T00:00",
    "2026-02-30T25:61",
    "Mars/Olympus_Mons",
    "../zoneinfo",
    "* * * * * * *",
    "0 0 31 2 *",
    "*/0 * * * *",
    "(a+)+$" + "a" * 40 + "!",
    "(?P<x>",
    "=HYPERLINK(\"http://evil.example\")",
    "mon_" + "z" * 26,
    "mon_00000000000000000000000000",
    "",
    " ",
    "\t\n",
)  # fmt: skip

WRONG_TYPES: tuple[object, ...] = (
    None, True, 0, -1, 10**30, 1.5, 1e308, "", [], [[]], {}, [None], {"a": {"b": []}}, [{"$ne": 1}], ["a"] * 500,
)  # fmt: skip
"""What stands in JSON where something else should."""

BODIES: tuple[tuple[str, bytes], ...] = (
    ("application/json", b""),
    ("application/json", b"{"),
    ("application/json", b"\xff\xfe{}"),
    ("application/json", b'{"a": "\xed\xa0\x80"}'),
    ("application/json", b"[" * 50_000),
    ("application/json", b'{"a":' * 5_000),
    ("application/json", b'{"name": NaN, "name": 1e999}'),
    ("application/json", b'{"n": ' + b"9" * 10_000 + b"}"),
    ("application/json", b'{"\\u0000": "\\ud800"}'),
    ("application/json; charset=utf-16", '{"a": 1}'.encode("utf-16")),
    ("application/json; charset=no-such", b"{}"),
    ("application/x-www-form-urlencoded", b"a=%ff&%00=%ed%a0%80&&&=&a[]=1&a=1&a=2;b=3"),
    ("application/x-www-form-urlencoded; charset=utf-7", b"name=+ADw-script+AD4-"),
    ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(5_000))),
    ("multipart/form-data", b"--x\r\n"),
    ("multipart/form-data; boundary=", b"--\r\n\r\n--"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a\r\n\r\nb'),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: nonsense\r\n\r\nb\r\n--x--"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"; filename="../../x"\r\n'
     b"Content-Type: text/html\r\n\r\n<tkevil>\r\n--x--"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n'
     b"Content-Type: text/plain; charset=no-such\r\n\r\n\xff\r\n--x--"),
    ("multipart/form-data; boundary=" + "x" * 5_000, b"--" + b"x" * 5_000 + b"--"),
    ("text/html", b"<tkevil>"),
    ("", b"\x00\xff"),
    ("no/such; =;;\"", b"a=b"),
)  # fmt: skip

HEADERS: tuple[tuple[str, str], ...] = (
    ("HX-Target", "'><tkevil>"),
    ("HX-Current-URL", "javascript:tkevil()"),
    ("HX-Trigger", "\xff\x01"),
    ("User-Agent", "<tkevil>" * 500),
    ("Accept-Language", "x" * 5_000),
    ("Accept", "*/*;q=no, text/\xff"),
    ("Cookie", "tokiflow=.x.y; tokiflow_zone=<tkevil>; a=\xff; =; ;"),
    ("Cookie", "tokiflow_zone=../../etc/passwd; tokiflow_browser=\xff"),
    ("Cookie", "tokiflow=" + "a" * 9_000),
    ("X-Forwarded-For", "<tkevil>, 999.1.1.1, \xff"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Request-ID", "x\xff<tkevil>"),
    ("If-None-Match", '"' * 300),
    ("If-Modified-Since", "Thu, 99 Nov 99999 99:99:99 GMT"),
    ("Range", "bytes=9999999999999999999999-1,-,x"),
    ("Authorization", "Bearer \xff\xfe"),
    ("Authorization", "Basic ==="),
    ("Authorization", "Bearer tk_" + "<tkevil>" * 100),
    ("Idempotency-Key", "<tkevil>" * 200),
    ("Content-Length", "-1"),
    ("Referer", "javascript:tkevil()"),
    ("Expect", "\xff"),
)

PATHS: tuple[str, ...] = (
    "%00", "%ff%fe", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "%2e%2e", "%3Ctkevil%3E", "%22%20tkattr=%22x",
    "%0d%0aX-Tk-Evil:%201", "%7B%7B313*331%7D%7D", "a" * 3_000, "%F0%9F%92%A9", "'%20or%201=1--", "mon_%00", "mon_",
    "-1", "9" * 60, "%E2%80%AE", "//evil.example",
)  # fmt: skip
"""Stand in an address where the name of a thing should."""


def encoded(pairs: list[tuple[str, str]]) -> bytes:
    """As a browser would send it, if browsers sent half characters."""
    return "&".join(
        f"{quote_plus(name.encode('utf-8', 'surrogatepass'))}={quote_plus(value.encode('utf-8', 'surrogatepass'))}"
        for name, value in pairs
    ).encode()


@dataclass
class Form:
    """One form of a page, as a browser would send it: what is ticked and chosen, and the first button."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.method} {self.action}"

    @property
    def ends_something(self) -> bool:
        """Whether others of the page can hardly be sent after this one."""
        return any(word in self.action for word in ("delete", "remove", "sign-out", "leave", "end", "revoke", "erase"))

    def sent_with(self, name: str, value: str) -> list[tuple[str, str]]:
        """The fields, with `value` in `name`."""
        return [(one, value if one == name else kept) for one, kept in self.fields]

    @property
    def names(self) -> list[str]:
        """What there is to fill in."""
        return list(dict.fromkeys(name for name, _ in self.fields if name != "csrf_token"))


class Page(HTMLParser):
    """A page, read as a browser reads it: its forms, and whatever in it would run or be styled inline."""

    def __init__(self, text: str, address: str = "") -> None:
        super().__init__(convert_charrefs=True)
        self.address = address
        self.forms: list[Form] = []
        self.wrong: list[str] = []
        self._by_id: dict[str, Form] = {}
        self._form: Form | None = None
        self._select: tuple[Form, str] | None = None
        self._chosen: list[str] = []
        self._area: tuple[Form, str] | None = None
        self._said = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self._judge(tag, given)
        if tag == "form":
            method = (given.get("method") or "get").upper()
            self._form = Form(given.get("action") or self.address, method)
            self.forms.append(self._form)
            self._by_id[given.get("id", "")] = self._form
        for verb in ("get", "post"):
            if tag != "form" and f"hx-{verb}" in given:
                self.forms.append(Form(given[f"hx-{verb}"], verb.upper()))
        if tag == "option" and self._select and ("selected" in given or not self._chosen):
            self._chosen.append(given.get("value", ""))
        form = self._by_id.get(given.get("form", "")) or self._form
        if form is not None and given.get("name"):
            self._take(tag, given, form)

    def _take(self, tag: str, given: dict[str, str], form: Form) -> None:
        kind = given.get("type", "text" if tag == "input" else "submit")
        if tag == "select":
            self._select, self._chosen = (form, given["name"]), []
        elif tag == "textarea":
            self._area, self._said = (form, given["name"]), ""
        elif tag == "button":
            form.fields.append((given["name"], given.get("value", "")))
        elif tag == "input" and (kind not in ("checkbox", "radio") or "checked" in given):
            form.fields.append((given["name"], given.get("value", "on" if kind == "checkbox" else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select" and self._select:
            form, name = self._select
            form.fields.append((name, self._chosen[-1] if self._chosen else ""))
            self._select = None
        elif tag == "textarea" and self._area:
            form, name = self._area
            form.fields.append((name, self._said))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area:
            self._said += data

    def _judge(self, tag: str, given: dict[str, str]) -> None:
        if tag in ("tkevil", "style", "base", "object", "embed") or (tag == "script" and "src" not in given):
            self.wrong.append(f"<{tag}>")
        for name, value in given.items():
            if name.startswith(("on", "hx-on")) or name in ("style", "tkattr", "srcdoc"):
                self.wrong.append(f"<{tag} {name}={value[:60]!r}>")
            leads = name in ("href", "src", "action", "formaction", "hx-get", "hx-post", "hx-delete")
            scheme = "".join(value.split()).partition(":")[0].lower()
            # A file that the page itself holds is saved, and never opened.
            saved = "download" in given and value.startswith("data:text/plain;")
            if leads and not saved and scheme in ("javascript", "vbscript", "data"):
                self.wrong.append(f"<{tag} {name}={value[:60]!r}>")


def troubles(answer: TestResponse) -> list[str]:
    """What is wrong with an answer to something hostile; nothing, if all is well."""
    found = [f"status {answer.status_code}"] if answer.status_code >= 500 else []
    for name, value in answer.headers:
        if (
            name.lower() == "x-tk-evil"
            or "tkevil=1" in (value if name == "Set-Cookie" else "")
            or set(value) & {"\r", "\n"}
        ):
            found.append(f"header {name}: {value[:80]!r}")
    target = answer.headers.get("Location", "") or answer.headers.get("HX-Redirect", "")
    if target.startswith(("//", "/\\")) or urlsplit(target).netloc not in ("", "localhost"):
        found.append(f"leads to {target[:80]}")
    text = answer.get_data(as_text=False).decode("utf-8", "replace")
    if answer.mimetype == "text/html":
        found += Page(text).wrong
    elif "tkevil" in text and answer.headers.get("X-Content-Type-Options") != "nosniff":
        found.append("text that a browser may take for HTML")
    if PRODUCT in text:
        found.append("a template has run")
    return found


def some(of: tuple, most: int, by: random.Random) -> list:
    """`most` of them, always the same for the same `by`."""
    return list(of) if len(of) <= most else by.sample(of, most)
