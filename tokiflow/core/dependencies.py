"""Who can't be well without whom: monitors that depend on others, as a graph without a way round.

`edges` tells by monitor what it depends on itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

K = TypeVar("K")


def way_round(edges: Mapping[K, Collection[K]], start: K, wanted: Iterable[K]) -> list[K]:
    """The way that would lead from `start` back to itself if it depended on `wanted`: `[A, B, A]`. Empty if none would.

    The shortest one, as that is the easiest to see.
    """
    came_from: dict[K, K] = {}
    waiting = list(dict.fromkeys(wanted))
    came_from.update(dict.fromkeys(waiting, start))
    for here in waiting:
        if here == start:
            return [start, start]
        for there in edges.get(here, ()):
            if there == start:
                return [start, *_way_to(here, start, came_from), start]
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    return []


def _way_to(here: K, start: K, came_from: Mapping[K, K]) -> list[K]:
    way = [here]
    while (before := came_from[way[-1]]) != start:
        way.append(before)
    return way[::-1]


def blockers(edges: Mapping[K, Collection[K]], asked: Iterable[K], down: Callable[[K], bool]) -> dict[K, K]:
    """By monitor of `asked`: the monitor upstream that is down and depends on nothing that is. Others are left out.

    Through any number of steps, even where those between are well. Each monitor is looked at once, however many ask.
    """
    known: dict[K, K | None] = {}
    for monitor in asked:
        _settle(edges, monitor, down, known)
    return {monitor: found for monitor in asked if (found := known[monitor]) is not None}


def _settle(edges: Mapping[K, Collection[K]], monitor: K, down: Callable[[K], bool], known: dict[K, K | None]) -> None:
    """Note what blocks `monitor` and all that is upstream of it. Without recursion: chains may be long."""
    waiting, entered = [monitor], set()
    while waiting:
        here = waiting[-1]
        upstream = edges.get(here, ())
        unsettled = [one for one in upstream if one not in known and one not in entered]
        if here not in known and unsettled:
            entered.add(here)
            waiting += unsettled
            continue
        waiting.pop()
        if here not in known:
            deeper = (_cause(one, known, down) for one in upstream)
            known[here] = next((one for one in deeper if one is not None), None)


def _cause(monitor: K, known: Mapping[K, K | None], down: Callable[[K], bool]) -> K | None:
    """What is down above `monitor`, or else `monitor` itself if it is."""
    above = known.get(monitor)
    if above is not None:
        return above
    return monitor if down(monitor) else None
