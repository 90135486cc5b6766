"""No secret gets through, whatever stands around it; and what is no secret stays byte for byte as it was.

The secrets here are put together from halves, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tokiflow.core import redaction, tokens
from tokiflow.core.redaction import MARGIN
from tokiflow.errors import Invalid

ALNUM = string.ascii_letters + string.digits
LONG = "Zk8vQ2mW4xT7bN1cR5yH9gLp3sD6fJ0aUeXq" * 3


def of(length: int, alphabet: str = ALNUM) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=length, max_size=length)


# --- tables -----------------------------------------------------------------------------------------------------

# Text around `{…}`: what is in braces is the secret.
HIDDEN = [
    # what it is called
    ("password", "password={hunter2}"),
    ("password", "DB_PASSWORD={hunter2} next"),
    ("password", "Password: {hunter2}"),
    ("password", 'connecting with passwd="{hunter2 and more}" now'),
    ("password", "export PGPASSWORD='{it is \"quoted\"}'"),
    ("password", '{"password": "{a \\" b}", "user": "bob"}'),
    ("password", '{\\"password\\": \\"{hunter2}\\", \\"user\\": \\"bob\\"}'),
    ("password", '{"password":{12345},"user":1}'),
    ("password", '{:password=>"{hunter2}"}'),
    ("password", "user[password]={hunter2}&user[name]=bob"),
    ("password", "config['password'] = '{hunter2}'"),
    ("password", "mysql --user=bob --password={hunter2} db"),
    ("password", "tool --db-password {hunter2} --verbose"),
    ("password", "['tool', '--password', '{hunter2}', '--verbose']"),
    ("password", "/proc/1/cmdline: tool\0--password\0{hunter2}\0--verbose"),
    ("password", "machine ftp.example.com login bob password {hunter2}"),
    ("password", "ALTER ROLE bob PASSWORD '{hunter2}';"),
    ("password", "Server=db;User Id=sa;Password={p,w;d};Encrypt=yes"),
    ("password", "?user=bob&password={hunter2}&x=1"),
    ("password", "password={päss🔑wörd} ok"),
    ("password", "'user': 'bob', 'pass': '{hunter2}'"),
    ("password", "SMTP_PASS={hunter2}"),
    ("password", "dbPass: {hunter2}"),
    ("password", "passphrase = {hunter2}"),
    ("password", "password='{one\ntwo}' x"),
    ("password", "password='{never closed}\nnext line"),
    ("password", "\x1b[32mpassword\x1b[0m=\x1b[1;33m{hunter2}\x1b[0m next"),
    ("password", "password:\t{hunter2}\r\nnext"),
    ("password", "b'password={hunter2}'"),
    ("token", "access_token={abcdefgh}"),
    ("token", "X-Auth-Token: {8f2a9c1d}"),
    ("token", "tool --token {abcdef}"),
    ("token", "//registry.example.com/:_authToken={8f2a9c1d}"),
    ("secret", "clientSecret: {8f2a9c1d}"),
    ("secret", "client_secret={8f2a9c1d}&grant_type=client_credentials"),
    ("key", "STRIPE_SECRET_KEY={abcdefgh}"),
    ("key", "api-key: {8f2a9c1d}"),
    ("key", '"apiKey":"{8f2a9c1d}"'),
    ("key", "aws_secret_access_key = {wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE}"),
    ("key", "AccountName=x;AccountKey={8f2a+9c/1d==};EndpointSuffix=core.windows.net"),
    ("key", "x_api_key_prod={8f2a9c1d}"),
    ("authorization", "Authorization: Bearer {8f2a.9c1d-x}"),
    ("authorization", "curl -H 'authorization: Basic {dXNlcjpwYXNz}' https://example.com"),
    ("authorization", "('Authorization', 'Bearer {8f2a9c1d}'), ('Accept', '*')"),
    ("authorization", 'Authorization: Digest {username="bob", response="8f2a9c1d"}'),
    ("token", "sent Bearer {8f2a9c1d8f2a9c1d} to it"),
    ("cookie", "Set-Cookie: {session=8f2a9c1d; Path=/; HttpOnly}"),
    ("cookie", "curl -H 'Cookie: {a=b; c=d}' https://example.com"),
    ("password", "postgresql+psycopg://bob:{hunter2}@db.example.com:5432/app"),
    ("password", "redis://:{hunter2}@cache:6379/0"),
    ("password", "https://bob:{p@ss:word}@example.com/x@y"),
    ("password", "amqp:\\/\\/bob:{hunter2}@mq"),
    # what it looks like
    ("AWS key", "{AKIAIOSFODNN7EXAMPLE} is the id"),
    ("GitHub token", "clone with {ghp_" + LONG[:36] + "}"),
    ("GitHub token", "{github_pat_" + LONG[:22] + "_" + LONG[:59] + "}"),
    ("GitLab token", "\x1b[31m{glpat-" + LONG[:20] + "}\x1b[0m"),
    ("Slack token", "({xoxb-123456789012-1234567890123-" + LONG[:24] + "})"),
    ("Slack token", "{xapp-1-A0123456789-1234567890123-" + LONG[:64] + "}"),
    ("Slack webhook", "POST https://hooks.slack.com/services/{T00000000/B00000000/" + LONG[:24] + "} 404"),
    ("Discord webhook", "https://discord.com/api/webhooks/{123456789012345678/" + LONG[:68] + "}"),
    ("Stripe key", "{sk_live_" + LONG[:24] + "}"),
    ("Stripe key", "{rk_test_" + LONG[:24] + "}, {whsec_" + LONG[:32] + "}"),
    ("Google key", "{AIza" + LONG[:35] + "}"),
    ("Google key", "{ya29." + LONG[:60] + "}"),
    ("Azure key", "https://x.blob.core.windows.net/c?sv=2022&sig={" + LONG[:43] + "%3D}&se=2026"),
    ("API key", "{sk-ant-api03-" + LONG[:90] + "}"),
    ("API key", "{sk-proj-" + LONG[:40] + "}"),
    ("API key", "{" + tokens.new_api_key().text + "}"),
    ("ping token", "curl https://tokiflow.example.com/ping/{" + tokens.new_ping_token() + "}/start"),
    ("npm token", "{npm_" + LONG[:36] + "}"),
    ("PyPI token", "{pypi-AgEIcHlwaS5vcmc" + LONG[:80] + "}"),
    ("SendGrid key", "{SG." + LONG[:22] + "." + LONG[:43] + "}"),
    ("Twilio key", "{SK" + "0a1b2c3d" * 4 + "}"),
    ("Telegram token", "https://api.telegram.org/bot123456789:AA{" + LONG[:33] + "}/getMe"),
    ("JWT", "{eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + LONG[:43] + "}"),
    ("token", "{hf_" + LONG[:34] + "} {glsa_" + LONG[:32] + "_0a1b2c3d}"),
    ("private key", "{-----BEGIN RSA PRIVATE KEY-----\r\nMIIE\r\n-----END RSA PRIVATE KEY-----}\r\nnext"),
    ("private key", "{-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\nand so on}"),
    ("private key", "{b3BlbnNz\n-----END PRIVATE KEY-----}\nnext"),
    ("private key", "{LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo" + LONG + "==}"),
    ("card number", "paid with {4111 1111 1111 1111} 12/29"),
    ("card number", "{5555-5555-5555-4444},{378282246310005}"),
    ("card number", "in 2024 {4111111111111111}"),
    ("card number", "2024 {4111 1111 1111 1111}"),
    ("card number", "\x1b[1m{3782 822463 10005}\x1b[m"),
]

STAYS = [
    "token count: 500",
    "tokens: 500, max_tokens=4096, prompt_tokens: 12.5",
    "password policy ok; password_length: 12, passwordPolicy=strong",
    "password: incorrect",
    "Enter password:",
    "the password is wrong, the token has expired",
    "unexpected token: identifier",
    "SyntaxError: Unexpected token } in JSON at position 4",
    "token_type: bearer, tokenizer=bert-base, token=null",
    "secretary: Anna, secret_name=nightly/db, secrets: 3",
    "password=********, password=<hidden>, token=${TOKEN}, secret=$(cat x)",
    "PASSWORD_FILE=/run/secrets/db PWD=/home/bob/app OLDPWD=/tmp",
    "12 passed, 0 failed; pass: true, bypass=yes compass=north",
    "--- PASS: TestLogin (0.00s)\nPASS: test_logout\npass=3 fail=0",
    "tokens=[101, 2023] tokens: 12345678",
    "KeyError: 'secret'",
    "key=user:42 primary_key: id, keys=12, monkey=7, Public-Key-Id: 7",
    "tool: error: --token is required; --password-stdin was given",
    "basic authentication and bearer tokens are supported",
    "authorization: required",
    "the cookie: chocolate",
    "8f14e45f-ceea-467f-a8f1-2b6f1c0d9e3a 018f3c6e-0b1c-7e1a-9a53-3f9b1a2b3c4d",
    "commit 5f3c2b1a9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2026-10-03T04:12:01.123456789Z 2026-10-03 04:12:01,123 1790993521 1790993521123 1790993521123456789",
    "call +49 30 901820 or +1 (415) 555-2671, 0041 44 668 18 00",
    "order 4111111111111112, id 4000000000000000001, 9999 9999 9999 9999",
    "0.4111111111111111 a4111111111111111 41111111111111111111111",
    "columns: 'user', 'password', 'email'",
    "/var/lib/postgresql/16/main/base/16384/2619 C:\\Users\\bob\\key.txt",
    "aGVsbG8gd29ybGQsIHRoaXMgaXMganVzdCBhIHBpZWNlIG9mIHRleHQ=",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "https://example.com:8080/path@2x.png https://example.com:8080?mail=a@example.com ssh://git@example.com/x",
    "mail to bob@example.com: re: keys",
    "task-1234567890abcdefghijklmnop risk-free disk-usage SKU12 AKIA npm_config_cache",
    "GET /ping/nightly 200; /ping/<token>/start",
    "eyJhbGciOi is only a piece; a.b.c",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "monitor mon_01jd0f6h2k3m4n5p6q7r8s9tav is down",
    "crypto::token::Kind",
    "\x1b[32mok\x1b[0m \x1b[1mtoken count\x1b[0m: 500",
    "[redacted: password] [redacted: pattern 3]",
]


def taken_apart(marked: str, kind: str) -> tuple[str, str]:
    """A row of HIDDEN as what comes in and what should come out. A brace before a quote or a colon is one of JSON's."""
    came, left = [], []
    rest = marked
    while rest:
        before, brace, rest = rest.partition("{")
        came.append(before)
        left.append(before)
        if brace and (rest.startswith(('"', "\\", ":"))):
            came.append(brace)
            left.append(brace)
        elif brace:
            secret, _, rest = rest.partition("}")
            came.append(secret)
            left.append(f"[redacted: {kind}]")
    return "".join(came), "".join(left)


@pytest.mark.parametrize(("kind", "marked"), HIDDEN, ids=range(len(HIDDEN)))
def test_a_secret_is_hidden_and_the_line_still_makes_sense(kind, marked):
    came, left = taken_apart(marked, kind)
    assert redaction.redact_text(came) == left
    assert redaction.redact(came.encode()) == left.encode()
    assert redaction.redact_text(left) == left


@pytest.mark.parametrize("text", STAYS)
def test_what_only_looks_like_a_secret_stays(text):
    assert redaction.redact_text(text) == text
    assert redaction.redact(text.encode()) == text.encode()


# --- properties -------------------------------------------------------------------------------------------------

words = st.text(ALNUM + "-_.~+/=!@#%^*?", min_size=8, max_size=40).filter(
    lambda word: (
        word[0].isalpha() and word[-1].isalnum() and any(map(str.isdigit, word)) and any(map(str.isupper, word))
    )
)


def cards() -> st.SearchStrategy[str]:
    def completed(digits: str) -> str:
        doubled = (int(digit) * (2 - index % 2) for index, digit in enumerate(digits))
        return digits + str(-sum(value // 10 + value % 10 for value in doubled) % 10)

    plain = of(14, string.digits).map(lambda digits: completed("4" + digits))
    return st.tuples(plain, st.sampled_from(["", " ", "-"])).map(
        lambda made: made[1].join(made[0][at : at + 4] for at in (0, 4, 8, 12))
    )


Kind = tuple[str, st.SearchStrategy[str]]
KINDS: dict[str, Kind] = {
    "assignment": ("DB_PASSWORD={}", words),
    "shell": ("export API_KEY='{}'", words),
    "yaml": ("client_secret: {}", words),
    "json": ('{{"token": "{}"}}', words),
    "option": ("--password {}", words),
    "header": ("Authorization: Bearer {}", words.filter(lambda word: word.isascii())),
    "url": ("postgres://bob:{}@db/app", of(12, ALNUM + "@:!%")),
    "github": ("{}", of(36).map("ghp_".__add__)),
    "gitlab": ("{}", of(20).map("glpat-".__add__)),
    "stripe": ("{}", of(24).map(("sk_" "live_").__add__)),
    "npm": ("{}", of(36).map("npm_".__add__)),
    "aws": ("{}", of(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").map("AKIA".__add__)),
    "anthropic": ("{}", of(90).map(("sk-" "ant-api03-").__add__)),
    "jwt": ("{}", st.tuples(of(20), of(40), of(43)).map(lambda three: "eyJ{}.eyJ{}.{}".format(*three))),
    "slack": ("https://hooks.slack.com/services/{}", of(24).map("T00000000/B00000000/".__add__)),
    "ping": ("https://tokiflow.example.com/ping/{}/start", of(22)),
    "ours": ("{}", st.builds(lambda: tokens.new_api_key().text)),
    "card": ("{}", cards()),
    "private key": ("-----BEGIN PRIVATE " "KEY-----\n{}\n-----END PRIVATE " "KEY-----", of(64)),
}  # fmt: skip
EDGES = ["\n", "\r\n", " ", "\t", "\x1b[31m", "\x1b[0m ", "\x00"]


@st.composite
def planted(draw: st.DrawFn) -> tuple[str, str]:
    """A secret, and the same in its place, between edges that set it apart."""
    place, secrets = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    secret = draw(secrets)
    before, after = draw(st.sampled_from(EDGES)), draw(st.sampled_from(["\n", "\r\n", " ", "\t", "\x1b[0m\n"]))
    return secret, before + place.format(secret) + after


noise = st.one_of(st.binary(max_size=60), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))


@given(planted(), noise, noise)
@example(("hunter2Hunter2", " --password hunter2Hunter2\n"), b"\xff\xfe", b"\x80")
def test_a_planted_secret_is_gone_whatever_bytes_stand_around_it(secret, before, after):
    assume(secret[0].encode() not in before + after)
    kept = redaction.redact(before + secret[1].encode() + after)
    assert secret[0].encode() not in kept
    assert redaction.redact(kept) == kept


@given(planted(), st.text(max_size=40), st.text(max_size=40))
def test_a_planted_secret_is_gone_from_a_message(secret, before, after):
    assume(secret[0] not in before + after)
    kept = redaction.redact_text(before + secret[1] + after)
    assert secret[0] not in kept
    assert redaction.redact_text(kept) == kept


fragments = st.sampled_from([
    "password", "=", ": ", '"', "'", "token", "\\", "://", "a:b@", "-----BEGIN PRIVATE " "KEY-----",
    "-----END PRIVATE " "KEY-----", "[redacted: token]", "[redacted: ", "\x1b[", "\x1b[1m", "\x1c", "--", "Bearer ",
    "Cookie: a=", "eyJ", ",", "\0",
])  # fmt: skip
mixtures = st.lists(
    st.one_of(planted().map(lambda made: made[1]), st.sampled_from(STAYS), st.text(max_size=8), fragments), max_size=12
)


@settings(max_examples=300)
@given(mixtures.map("".join))
def test_redacting_twice_changes_nothing_more(text):
    once = redaction.redact_text(text)
    assert redaction.redact_text(once) == once


@given(st.binary(max_size=300))
def test_bytes_without_letters_stay_as_they_are(data):
    plain = bytes(byte for byte in data if not (chr(byte).isalnum() and byte < 128))
    assert redaction.redact(plain) == plain


@given(st.lists(st.sampled_from(STAYS).filter(lambda text: not text.endswith(":")), max_size=8).map("\n".join))
def test_a_text_without_secrets_stays_as_it_is(text):
    assert redaction.redact_text(text) == text


# --- an output without its middle ----------------------------------------------------------------------------------


def pieces_of(secret: str) -> set[bytes]:
    """Every eight characters in a row of it: what would be too much to see."""
    return {secret[at : at + 8].encode() for at in range(len(secret) - 7)}


@given(planted(), st.integers(-200, 200), st.booleans())
def test_no_half_of_a_secret_stays_at_the_cut(secret, shift, at_head):
    head_room = tail_room = 256
    filler = b"0123 .,;\n" * 2_000
    around = head_room if at_head else len(filler) - tail_room
    at = max(0, around + shift - len(secret[1]) // 2)
    data = filler[:at] + secret[1].encode() + filler[at:]
    kept, cut = redaction.keep_ends(data[: head_room + MARGIN], data[-tail_room - MARGIN :], head_room, tail_room)
    assert not [piece for piece in pieces_of(secret[0]) if piece in kept]
    assert cut <= head_room
    assert len(kept) - cut <= tail_room
    assert kept.count(b"[redacted: ") == kept.count(b"]"), "a mark is there wholly or not at all"
    whole, where = redaction.keep_whole(data, head_room, tail_room)
    assert (whole, where) == (kept, cut)


def test_a_key_block_that_is_cut_hides_all_that_could_belong_to_it():
    block = b"-----BEGIN PRIVATE " + b"KEY-----\n" + b"MIIEvQIBADAN\n" * 4_000 + b"-----END PRIVATE " + b"KEY-----\n"
    data = b"begins\n" + block + b"ends\n"
    kept, cut = redaction.keep_ends(data[: 500 + MARGIN], data[-500 - MARGIN :], 500, 500)
    assert (kept[:cut], kept[cut:]) == (b"begins\n[redacted: private key]", b"[redacted: private key]\nends\n")


@given(st.binary(max_size=200), st.integers(0, 40), st.integers(0, 40))
def test_what_is_kept_of_a_whole_is_its_head_and_its_tail(data, head_room, tail_room):
    plain = data.translate(None, ALNUM.encode())
    kept, cut = redaction.keep_whole(plain, head_room, tail_room)
    if len(plain) <= head_room + tail_room:
        assert (kept, cut) == (plain, None)
    else:
        assert (kept, cut) == (plain[:head_room] + plain[len(plain) - tail_room :], head_room)


def test_marks_that_take_more_room_than_the_secrets_did_are_cut_like_any_output():
    data = b"pwd=a1\n" * 100
    kept, cut = redaction.keep_whole(data, 350, 350)
    assert cut is not None
    assert len(kept) <= 700
    assert kept.count(b"[redacted: password]") == kept.count(b"[") == kept.count(b"]")


# --- patterns of an organization -----------------------------------------------------------------------------------


def test_patterns_hide_what_they_match():
    patterns = redaction.compile_patterns([r"CUST-\d+", r"(?i)kunde: \w+"])
    assert redaction.redact_text("ü CUST-17, Kunde: Jörg, password=x1", patterns) == (
        "ü [redacted: pattern 1], [redacted: pattern 2], password=[redacted: password]"
    )
    assert redaction.redact(b"\xff CUST-17\x80\xc3", patterns) == b"\xff [redacted: pattern 1]\x80\xc3"


@given(
    st.lists(st.one_of(st.binary(max_size=5), st.just(b"CUST-17"), st.just("ü".encode())), max_size=10).map(b" ".join)
)
def test_patterns_leave_all_else_byte_for_byte(data):
    patterns = redaction.compile_patterns([r"CUST-\d+"])
    kept = redaction.redact(data, patterns)
    assert b"CUST-17" not in kept
    assert redaction.redact(kept, patterns) == kept
    if b"CUST-" not in data:
        assert kept == redaction.redact(data)


def test_a_mark_is_nothing_a_pattern_could_match():
    patterns = redaction.compile_patterns([r"redacted|pass\w+|\]", r"t: .*x"])
    assert redaction.redact_text("password=hunter2", patterns) == "[redacted: pattern 1]=[redacted: password]"
    assert redaction.redact_text("t: password=hunter2 x", patterns) == "[redacted: pattern 2]"


@pytest.mark.parametrize("runaway", [r"(a+)+$", r"(.*a){25}$", r"(\w+\s?)+$"])
def test_a_pattern_that_takes_too_long_withholds_the_output(runaway):
    patterns = redaction.compile_patterns([r"CUST-\d+", runaway])
    text = "CUST-1 " + "a" * 5_000 + "!"
    withheld = "[output withheld: pattern 2 took too long]"
    assert redaction.redact_text(text, patterns) == withheld
    assert redaction.redact_kept(text.encode(), 4_000, patterns, 32_768) == (withheld.encode(), None)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["ok", "(unclosed"], "Pattern 2 is no regular expression: missing ), unterminated subpattern at position 0."),
        (["*"], "Pattern 1 is no regular expression: nothing to repeat at position 0."),
        ([r"\L<names>"], r"Pattern 1 is no regular expression: bad escape \L at position 0."),
        (
            [r"\d*"],
            "Pattern 1 matches the empty string: ask for at least one character, for example with + instead of *.",
        ),
        ([""], "Pattern 1 matches the empty string: ask for at least one character, for example with + instead of *."),
        (
            [r"\b"],
            "Pattern 1 matches the empty string: ask for at least one character, for example with + instead of *.",
        ),
        (["a" * 501], "Pattern 1 is too long: write at most 500 characters."),
        (["a{99999999}"], "Pattern 1 repeats too often: write numbers in braces that multiply to at most 1000."),
        (["((a{90}){90}){90}"], "Pattern 1 repeats too often: write numbers in braces that multiply to at most 1000."),
        (["(?x) a { 9999999 }"], "Pattern 1 repeats too often: write numbers in braces that multiply to at most 1000."),
        (["(?ix) a b"], "Pattern 1 asks for verbose mode (?x): write it without."),
        (["a"] * 21, "Write at most 20 patterns; join some with |."),
    ],
)
def test_a_bad_pattern_is_named_with_what_to_do(texts, why):
    with pytest.raises(Invalid) as refused:
        redaction.compile_patterns(texts)
    assert refused.value.fields == {"patterns": [why]}


@pytest.mark.parametrize(
    "text",
    [r"\d{4}-\d{4}-\d{4}-\d{4}", r"(?:[0-9A-F]{2}:){15}[0-9A-F]{2}", r"[A-Z]{2,40}\d{16}", "(?<=id=)[a-f0-9]{64}"],
)
def test_a_pattern_as_people_write_them_is_taken(text):
    assert redaction.compile_patterns([text]).texts == (text,)
    assert redaction.compile_patterns([text]) is redaction.compile_patterns((text,))


@given(st.integers(0, 30))
def test_the_lines_at_the_cut_go_where_an_organization_has_patterns(shift):
    patterns = redaction.compile_patterns([r"CUST-\d{12}"])
    data = b"some line\n" * 50 + b"." * shift + b" for CUST-123456789012 of\n" + b"some line\n" * 2_000
    kept, cut = redaction.keep_whole(data, 520, 520)
    kept, cut = redaction.redact_kept(kept, cut, patterns, 1_040)
    assert b"CUST-1" not in kept
    assert cut is not None
    assert kept[:cut].endswith(b"some line\n")
    assert kept[cut:].startswith(b"some line\n")


def test_a_whole_output_stays_whole_where_patterns_find_nothing():
    patterns = redaction.compile_patterns([r"CUST-\d+"])
    assert redaction.redact_kept(b"a CUST-1 b", None, patterns, 100) == (b"a [redacted: pattern 1] b", None)
    assert redaction.redact_kept(b"head\ntail", 5, redaction.NONE, 100) == (b"head\ntail", 5)
    kept, cut = redaction.redact_kept(b"x CUST-1" * 1_000, None, patterns, 8_000)
    assert cut is not None
    assert len(kept) <= 8_000


# --- hostile text ------------------------------------------------------------------------------------------------

HOSTILE = [
    "a", "=", "1", "4", "4 ", "4-", "-", ":", "/", "://", "://a:", "://:@", "\\", '"', "'", "\x1b", "\x1b[",
    "\x1b[1m", "eyJ", "eyJ.", "eyJaaaaaaaaaaa.", "ghp_", "ghp_aaaaaaaaaaaaaaaaaaaa-", "sk-", "SG.",
    "SG.aaaaaaaaaaaaaaaaaaaaaaaa.", "-----BEGIN", "-----BEGIN PRIVATE " "KEY-----", "-----END PRIVATE " "KEY-----",
    "password", "password=", "password='", 'password=\\"', 'password="a\'', "token: ", "token=$(", "token=,",
    "tokentoken", "key", "api_key=", "--token ", "secret{", "Bearer ", "bearer a", "authorization: bearer ",
    "authorization: digest ", "cookie: a=", "[redacted: ", "[redacted: token]", "LS0tLS1CRUdJTi", "xox", "/ping/",
    "pass:a@", "\x1c", "password=\x1b[0m", "password=a,b;c&",
]  # fmt: skip


def cost(text: str) -> float:
    """Seconds of processor time, at best."""
    return min(_once(text) for _ in range(3))


def _once(text: str) -> float:
    began = time.process_time()
    redaction.redact_text(text)
    return time.process_time() - began


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_text_takes_time_in_proportion_to_its_length(part):
    few, many = (cost(part * (size // len(part))) for size in (12_500, 100_000))
    assert many < 0.02 or many < 24 * few, "8 times as long; 64 times the work would be quadratic"
