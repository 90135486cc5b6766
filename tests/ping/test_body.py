"""Head and tail of a body in constant memory, however it is cut into pieces, and never half a secret."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import redaction
from tokiflow.ping.body import Body, Collector, collect

LINE = b"0123 .,;\n"
SECRET = b"Hunter2isNoGoodChoice42"


@given(st.lists(st.binary(max_size=30_000).map(lambda some: some * 3), max_size=5), st.integers(0, 100))
def test_the_pieces_a_body_comes_in_make_no_difference(pieces, limit):
    collector = Collector(limit)
    for piece in pieces:
        collector.add(piece)
    assert collector.body() == collect(b"".join(pieces), limit)


@given(st.integers(450, 550), st.booleans(), st.sampled_from([0, 1_000, 5_000]))
def test_a_secret_at_the_cut_leaves_no_half(at, from_the_end, middle):
    line = b"\nDB_PASSWORD=" + SECRET + b"\n"
    other = LINE * (middle + 60)
    data = (LINE * 60)[:at] + line + other
    if from_the_end:
        data = other + line + (LINE * 60)[:at]
    body = collect(data, limit=1_000)
    assert not [piece for piece in range(len(SECRET) - 5) if SECRET[piece : piece + 6] in body.kept]
    assert (body.size, len(body.kept) <= 1_000) == (len(data), True)


def test_memory_is_bounded_by_what_is_kept():
    collector = Collector(limit=1_000)
    for _ in range(10_000):
        collector.add(LINE)
    assert len(collector._head) + collector._tail_size <= 1_000 + 2 * redaction.MARGIN + len(LINE)
    assert collector.body() == Body((LINE * 60)[:500] + (LINE * 60)[-500:], 10_000 * len(LINE), 500)


def test_what_is_known_only_later_is_hidden_later():
    body = collect(b"password=hunter2 for CUST-17")
    patterns = redaction.compile_patterns([r"CUST-\d+"])
    assert redaction.redact_kept(body.kept, body.cut, patterns, 32_768) == (
        b"password=[redacted: password] for [redacted: pattern 1]",
        None,
    )
