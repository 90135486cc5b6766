"""The output viewer: what a run printed, as it was printed or searched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tokiflow import errors
from tokiflow.core import printed
from tokiflow.core.printed import Printed
from tokiflow.core.runs import Outcome
from tokiflow.models import Run
from tokiflow.queries.runs import Output
from tokiflow.services import outputs as service
from tokiflow.web import filters, output_lines
from tokiflow.web.output_lines import Shown

LONGEST_SEARCH = 200
Address = Callable[..., str]
"""The address of this viewer with these things asked of it."""


def read(run: Run) -> Output | None:
    """What the run printed, or None if nothing was kept. Raises Unavailable if it can't be fetched now.

    The only place where pages ask for an output.
    """
    return service.read(run)


@dataclass(frozen=True)
class Kept:
    """An output, None if there is none. `unreachable`: there is one, but it can't be fetched now."""

    output: Output | None = None
    unreachable: bool = False


def fetch(run: Run | None) -> Kept:
    """The same for a page that has more to show than this."""
    try:
        return Kept(read(run) if run else None)
    except errors.Unavailable:
        return Kept(unreachable=True)


@dataclass(frozen=True)
class Asked:
    """What the address asks for. What can't be read in it counts as not asked for."""

    difference: bool = False
    q: str = ""
    wrap: bool | None = None
    part: int | None = None
    line: int | None = None


def asked(arguments: Mapping[str, str]) -> Asked:
    """Read `?view=difference&q=&wrap=0|1&part=&line=`."""
    return Asked(
        difference=arguments.get("view") == "difference",
        q=arguments.get("q", "").strip()[:LONGEST_SEARCH],
        wrap={"0": False, "1": True}.get(arguments.get("wrap", "")),
        part=_whole(arguments.get("part", "")),
        line=_whole(arguments.get("line", "")),
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


@dataclass(frozen=True)
class Viewer:
    """What the page shows. `lines` in order; `total` is the number of all lines.

    `said` is a sentence above them. `pages` are links to other parts, `trouble_url` leads to the first line that looks
    as if something went wrong. `from_end`: the last line is in sight first.
    """

    asked: Asked
    lines: Sequence[Shown]
    total: int
    said: str = ""
    more: str = ""
    earlier_url: str = ""
    earlier_when: str = ""
    from_end: bool = False
    trouble_line: int | None = None
    trouble_url: str = ""
    pages: Sequence[tuple[str, str]] = ()
    broken: bool = False
    binary: bool = False
    unreachable: bool = False

    @property
    def digits(self) -> int:
        """Of the largest line number."""
        return len(str(self.total))


def view(output: Output, run: Run, wish: Asked, address: Address) -> Viewer:
    """The output as it was printed, or the lines of it that were searched for."""
    found = text_of(output)
    if found.binary:
        return Viewer(wish, (), 0, binary=True)
    if wish.q:
        return _searched(found, wish, address)
    return _part(found, run, wish, address)


def text_of(output: Output) -> Printed:
    """Its lines."""
    return printed.read(output.body, output.size, output.cut)


def _part(found: Printed, run: Run, wish: Asked, address: Address) -> Viewer:
    parts = output_lines.parts(found.lines)
    at = _which(parts, wish)
    here = parts[at]
    first = printed.first_error(found.lines) if run.outcome == Outcome.FAILED else None
    lines = ((number, output_lines.line(number + 1, found.lines[number])) for number in here)
    return Viewer(
        wish,
        list(_with_gap(found, here, lines)),
        len(found.lines),
        said=_which_lines(here, len(found.lines)) if len(parts) > 1 else "",
        from_end=at == len(parts) - 1 and wish.line is None,
        trouble_line=None if first is None else first + 1,
        trouble_url="" if first is None else f"#L{first + 1}" if first in here else place(address, first),
        pages=_pages(at, len(parts), address),
        broken=found.broken,
    )


def _which(parts: Sequence[range], wish: Asked) -> int:
    """The place of the part that is asked for: the last one unless another is, or a line is, in it."""
    if wish.line:
        return next((at for at, part in enumerate(parts) if wish.line - 1 in part), len(parts) - 1)
    return min(max(wish.part or len(parts), 1), len(parts)) - 1


def _which_lines(here: range, total: int) -> str:
    return f"Lines {filters.number(here.start + 1)} to {filters.number(here.stop)} of {filters.number(total)}"


def _pages(at: int, count: int, address: Address) -> list[tuple[str, str]]:
    """Words and addresses of the other parts."""
    if count == 1:
        return []
    there = [("First", 1), ("Earlier", at), ("Later", at + 2), ("Last", count)]
    return [(word, address(part=part)) for word, part in there if 1 <= part <= count and part != at + 1]


def place(address: Address, number: int) -> str:
    """The address of line `number` (from 0) among all lines."""
    return address(line=number + 1, anchor=f"L{number + 1}")


def _with_gap(found: Printed, here: range, lines: Iterator[tuple[int, Shown]]) -> Iterator[Shown]:
    """The lines, and where bytes are missing a remark that says so."""
    for number, line in lines:
        if number == found.gap:
            yield output_lines.left_out(found)
        yield line
    if found.gap == here.stop == len(found.lines):
        yield output_lines.left_out(found)


def _searched(found: Printed, wish: Asked, address: Address) -> Viewer:
    hits = output_lines.matches(found.lines, wish.q)
    total = len(found.lines)
    shown = list(output_lines.within_reach(_stretches(found, hits, wish.q, address)))
    last = max((line.number or 0 for line in shown), default=0)
    unseen = sum(hit >= last for hit in hits)
    verb = "matches" if len(hits) == 1 else "match"
    return Viewer(
        wish,
        shown if hits else (),
        total,
        said=f"{filters.number(len(hits)) if hits else 'None'} of {filters.count(total, 'line')} {verb}",
        more=f"{filters.number(unseen)} more further down: search for something longer." if unseen else "",
        broken=found.broken,
    )


def _stretches(found: Printed, hits: Sequence[int], q: str, address: Address) -> Iterator[Shown]:
    """The hits and the lines around them, with a remark for what lies between."""
    total, after = len(found.lines), 0
    for stretch in output_lines.around(hits, total):
        yield from fold(stretch.start - after, after, "", address)
        lines = (output_lines.line(n + 1, found.lines[n], q, url=place(address, n)) for n in stretch)
        yield from _with_gap(found, stretch, zip(stretch, lines, strict=True))
        after = stretch.stop
    yield from fold(total - after, after, "", address)


def fold(count: int, number: int, what: str, address: Address) -> Iterator[Shown]:
    """A remark in place of `count` lines from line `number` on, which leads to them."""
    if count:
        yield Shown(words=f"{filters.count(count, 'line')}{what}", url=place(address, number))
