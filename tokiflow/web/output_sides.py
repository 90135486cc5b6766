"""Two outputs side by side: what the last good run printed, and what this one did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import url_for

from tokiflow.core import ansi, ids, output_diff, printed
from tokiflow.core.output_diff import Difference, Kind, Row
from tokiflow.core.printed import Printed
from tokiflow.models import Monitor, Run
from tokiflow.queries import runs
from tokiflow.web import filters, output_differences, output_lines, outputs
from tokiflow.web.output_lines import Shown


@dataclass(frozen=True, slots=True)
class Pair:
    """A line of each, None where there is none in its place. With `words`, a remark that stands for both."""

    old: Shown | None = None
    new: Shown | None = None
    words: str = ""
    url: str = ""


@dataclass(frozen=True)
class Sides:
    """What is shown: `said` in words, then the pairs. `search_url` is where all of the new output is
    searched, `below_url` where both stand below each other."""

    said: str
    search_url: str
    pairs: Sequence[Pair] = ()
    below_url: str = ""
    earlier_url: str = ""
    earlier_when: str = ""
    more: str = ""


def read(monitor: Monitor, run: Run) -> Sides:
    """What `run` printed beside the last successful run before it."""
    address = partial(_address, monitor, run)
    kept, before = outputs.fetch(run), runs.last_success_before(run)
    earlier = outputs.fetch(before)
    if kept.unreachable or earlier.unreachable:
        return Sides("One of the two outputs can’t be fetched right now; try again.", address())
    if kept.output is None:
        return Sides("This run printed nothing that is kept: there is nothing to compare.", address())
    if before is None or earlier.output is None:
        return Sides(output_differences.nothing_to_compare(before), address())
    new, old = (printed.read(one.body, one.size, one.cut) for one in (kept.output, earlier.output))
    if new.binary or old.binary:
        return Sides("One of the two outputs is no text: they can’t be compared.", address())
    found = output_diff.compare([ansi.plain(line) for line in old.lines], [ansi.plain(line) for line in new.lines])
    pairs = list(_within_reach(_pairs(found, old, new, address)))
    return Sides(
        output_differences.summary(found),
        address(),
        pairs,
        below_url=address(view="difference"),
        earlier_url=_address(monitor, before),
        earlier_when=output_differences.before_words(before.at, run.at),
        more=output_differences.limits(found, old, new, cut=len(pairs) >= output_lines.MOST_LINES),
    )


def _address(monitor: Monitor, run: Run, anchor: str = "output", **asked: Any) -> str:
    monitor_id, run_id = ids.public("mon", monitor.id), ids.public("run", run.id)
    return url_for("runs.show", monitor_id=monitor_id, run_id=run_id, _anchor=anchor, **asked)


def _pairs(found: Difference, old: Printed, new: Printed, address: outputs.Address) -> Iterator[Pair]:
    """What went beside what came in its place, as far as there is something to stand beside."""
    gone: list[Shown] = []
    come: list[Shown] = []
    for row in found.rows:
        if row.kind is Kind.REMOVED:
            gone.append(_line(old, row.old, "removed"))
        elif row.kind is Kind.ADDED:
            come.append(_line(new, row.new, "added", address))
        else:
            yield from _beside(gone, come)
            gone, come = [], []
            yield _same(row, old, new, address)
    yield from _beside(gone, come)


def _beside(gone: Sequence[Shown], come: Sequence[Shown]) -> Iterator[Pair]:
    for k in range(max(len(gone), len(come))):
        yield Pair(gone[k] if k < len(gone) else None, come[k] if k < len(come) else None)


def _same(row: Row, old: Printed, new: Printed, address: outputs.Address) -> Pair:
    if row.kind is Kind.FOLDED:
        at = (row.new or 0) + 1
        words = f"{filters.count(row.count, 'line')} are the same"
        return Pair(words=words, url=address(line=at, anchor=f"L{at}"))
    return Pair(_line(old, row.old, ""), _line(new, row.new, "", address))


def _line(of: Printed, number: int | None, kind: str, address: outputs.Address | None = None) -> Shown:
    assert number is not None
    text = ansi.plain(of.lines[number])
    url = address(line=number + 1, anchor=f"L{number + 1}") if address else ""
    return output_lines.line(number + 1, [(text, ansi.PLAIN)] if text else [], url=url, kind=kind)


def _within_reach(pairs: Iterator[Pair]) -> Iterator[Pair]:
    """As many of them as a page can carry."""
    room = output_lines.MOST_BYTES
    for number, one in enumerate(pairs):
        room -= sum(output_lines.cost(line) for line in (one.old, one.new) if line) or output_lines.LINE_COSTS
        if number and (room < 0 or number >= output_lines.MOST_LINES):
            return
        yield one
