"""What clients were told, held against what is in the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from bench.clients import Crowd, Told
from bench.town import Connection


@dataclass(frozen=True)
class Tally:
    """How many pings were told 200, and what is wrong with what is kept of them: one sentence for each."""

    told: int
    kept: int
    runs: int
    wrong: dict[str, list[str]] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        return not any(self.wrong.values())

    def __str__(self) -> str:
        lines = [f"{self.told:,} pings were answered with 200; {self.kept:,} are kept, of {self.runs:,} runs."]
        for what, whom in self.wrong.items():
            shown = f": {', '.join(whom[:5])}{' …' if len(whom) > 5 else ''}" if whom else ""
            lines.append(f"{len(whom):,} {what}{shown}")
        return "\n".join(lines)


def tally(connection: Connection, crowd: Crowd) -> Tally:
    """The tally of all that `crowd` was told."""
    kept: dict[str, list[datetime]] = defaultdict(list)
    for words, at in connection.execute("select message, at from pings where message <> ''").fetchall():
        kept[words].append(at)
    runs = connection.execute(
        "select rid::text, started_at is not null, finished_at is not null from runs where rid is not null"
    ).fetchall()
    counted = connection.execute(
        "select m.id::text from monitors m left join (select monitor_id, count(*) as n from pings group by 1) p "
        "on p.monitor_id = m.id where m.ping_count <> coalesce(p.n, 0)"
    ).fetchall()
    wrong = {
        "lost": [one.words for one in crowd.told if one.words not in kept],
        "kept twice": [words for words, times in kept.items() if len(times) > 1],
        "runs counted twice": [rid for rid, count in Counter(row[0] for row in runs).items() if count > 1],
        "runs without a beginning or an end": _halves(crowd.told, {row[0]: row[1:] for row in runs}),
        "out of order": list(_out_of_order(crowd.told, kept)),
        "monitors that have counted wrong": [row[0] for row in counted],
    }
    return Tally(len(crowd.told), sum(map(len, kept.values())), len(runs), wrong)


def _halves(told: Iterable[Told], runs: dict[str, tuple[bool, bool]]) -> list[str]:
    """Runs whose start or finish was told 200 and that know nothing of it."""
    found = []
    for one in told:
        started, finished = runs.get(one.rid or "", (False, False))
        if (one.signal == "start" and not started) or (one.signal in ("success", "fail") and not finished):
            found.append(one.rid or "")
    return found


def _out_of_order(told: Iterable[Told], kept: dict[str, list[datetime]]) -> Iterable[str]:
    """Pings that are dated before one that the same client had been answered earlier."""
    latest: dict[int, datetime] = {}
    for one in sorted(told, key=lambda one: (one.client, one.number)):
        for at in kept.get(one.words, []):
            if one.client in latest and at < latest[one.client]:
                yield one.words
            latest[one.client] = at
