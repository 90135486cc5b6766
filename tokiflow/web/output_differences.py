"""The output viewer: what a run printed, compared with the last success."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tokiflow.core import ansi, durations, output_diff
from tokiflow.core.output_diff import Difference, Kind
from tokiflow.core.printed import Printed
from tokiflow.models import Run
from tokiflow.queries.runs import Output
from tokiflow.web import filters, output_lines
from tokiflow.web.output_lines import Shown
from tokiflow.web.outputs import Address, Asked, Kept, Viewer, fold, place, text_of


def between(
    output: Output, run: Run, before: Run | None, earlier: Kept, wish: Asked, address: Address, earlier_url: str
) -> Viewer:
    """`output` against `earlier`, what the last successful run `before` this one printed."""
    found = text_of(output)
    if before is None or earlier.unreachable or earlier.output is None:
        return Viewer(wish, (), 0, said=_nothing_to_compare(before), unreachable=earlier.unreachable)
    old = text_of(earlier.output)
    if found.binary or old.binary:
        return Viewer(wish, (), 0, said="One of the two outputs is no text: they can’t be compared.")
    result = output_diff.compare([ansi.plain(line) for line in old.lines], [ansi.plain(line) for line in found.lines])
    shown = list(output_lines.within_reach(_compared(result, old, found, address)))
    return Viewer(
        wish,
        shown,
        len(found.lines),
        said=_summary(result),
        more=_limits(result, old, found, cut=len(shown) < len(result.rows)),
        earlier_url=earlier_url,
        earlier_when=_before_words(before.at, run.at),
    )


def _nothing_to_compare(before: Run | None) -> str:
    if before is None:
        return "In the 90 days before, no run succeeded and sent its output: there is nothing to compare with."
    return "The output of the last successful run is not kept any more: there is nothing to compare with."


def _before_words(earlier: datetime, at: datetime) -> str:
    """`2 hours before`."""
    words = durations.ago(earlier, at)
    return f"{words.removesuffix(' ago')} before" if words.endswith(" ago") else "a moment before"


def _summary(result: Difference) -> str:
    """`12 lines are new and 3 are missing against`, the beginning of a sentence that names the other run."""
    if not (result.added or result.removed):
        return "Nothing differs from"
    new = f"{filters.count(result.added, 'line')} {_are(result.added)} new" if result.added else "No line is new"
    if not result.removed:
        return f"{new} and none is missing against"
    return f"{new} and {filters.number(result.removed)} {_are(result.removed)} missing against"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _limits(result: Difference, old: Printed, new: Printed, *, cut: bool) -> str:
    """What the reader should know of how this was compared."""
    told = "Times, lengths of time and ids that change on every run are not compared."
    if result.tails:
        told += " These outputs are long: only their last lines were."
    if old.left_out or new.left_out:
        told += " Some bytes of them were left out when they came."
    return told + (" Only the beginning of the difference is shown." if cut else "")


def _compared(result: Difference, old: Printed, new: Printed, address: Address) -> Iterator[Shown]:
    """The rows as lines without colours of their own: here colour says what is new."""
    for row in result.rows:
        if row.kind is Kind.FOLDED:
            yield from fold(row.count, row.new or 0, " are the same", address)
        elif row.new is not None:
            url = place(address, row.new)
            kind = "added" if row.kind is Kind.ADDED else ""
            yield output_lines.line(row.new + 1, _bare(new.lines[row.new]), url=url, kind=kind)
        elif row.old is not None:
            yield output_lines.line(None, _bare(old.lines[row.old]), kind="removed")


def _bare(line: ansi.Line) -> ansi.Line:
    text = ansi.plain(line)
    return [(text, ansi.PLAIN)] if text else []
