"""The timeline of an incident as its page tells it, newest first: what happened, when, and who did it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from markupsafe import Markup

from tokiflow.core import ids
from tokiflow.models import IncidentEvent
from tokiflow.queries.alerts import AlertRecord
from tokiflow.web import filters, troubles
from tokiflow.web.markdown import markdown

_MARKS = {
    "opened": "down", "reopened": "down", "flapping": "down", "missed": "down", "failed": "down", "overrun": "down",
    "anomaly": "late", "degraded": "late", "not_a_problem": "",
    "acknowledged": "late", "resolved": "up", "muted": "paused", "held": "paused", "unmuted": "new", "blind": "late",
    "snoozed": "paused", "assigned": "new", "unassigned": "new", "commented": "",
}  # fmt: skip

_UNUSUAL = ("anomaly", "degraded")
"""Trouble in which nothing is down."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry. `mark` is the shape beside it; `quote` is what somebody wrote, `said` as they typed it;
    `run` is the public id of the run it speaks of, `comment` that of words
    of the reader's own, which they may change."""

    id: str
    mark: str
    words: str
    at: datetime
    by: str = ""
    quote: Markup | None = None
    said: str = ""
    comment: str = ""
    edited_at: datetime | None = None
    times: int = 1
    last_at: datetime | None = None
    run: str = ""


def timeline(
    events: Sequence[IncidentEvent], alerts: Sequence[AlertRecord], *, whole: bool, reader: UUID | None = None
) -> list[Step]:
    """`events`, newest first, with who was told in between and when silences ended. If they are not the `whole` story,
    only what is as new."""
    others = [*_told(alerts), *_not_told(alerts), *_silences_ended(events, filters.viewer().now)]
    if not whole and events:
        earliest = events[-1].at
        others = [step for step in others if step.at >= earliest]
    # Newest first; of what happened at the same moment the cause stands below its effect.
    return sorted([*others, *(of_event(event, reader) for event in events)], key=lambda step: step.at, reverse=True)


def of_event(event: IncidentEvent, reader: UUID | None = None) -> Step:
    """The entry that `event` alone makes."""
    comment = event.what == "commented" and event.text
    edited = event.detail.get("edited_at")
    return Step(
        id=f"step-{event.id}",
        mark="late" if event.detail.get("kind") in _UNUSUAL else _MARKS.get(event.what, ""),
        words=_words(event),
        at=event.at,
        by=f"{event.by} (API key)" if event.by_kind == "api_key" else event.by,
        quote=markdown(event.text) if comment else None,
        said=event.text if comment else "",
        comment=ids.public("cmt", event.id) if comment and reader and event.user_id == reader else "",
        edited_at=datetime.fromisoformat(edited) if edited else None,
        times=event.times,
        last_at=event.last_at if event.times > 1 else None,
        run=str(event.detail.get("run", "")),
    )


def _words(event: IncidentEvent) -> str:
    """`Failed with exit code 3: “disk full”`, `Acknowledged`, `Muted until tomorrow 09:00`."""
    what = event.what
    if what == "commented" and not event.text:
        return "Wrote something, and deleted it"
    if what in _PLAIN:
        return _PLAIN[what]
    if what in ("muted", "snoozed"):
        return f"{what.capitalize()} until {filters.clock(datetime.fromisoformat(event.detail['until']))}"
    if what == "assigned":
        return "Took it" if event.text == event.by else f"Assigned it to {event.text}"
    if what == "unassigned":
        return event.text or "Assigned it to nobody"
    if what == "resolved":
        return _resolved(event)
    if what == "blind":
        return event.text
    kind = event.detail.get("kind", what)
    text = troubles.failed(event.text) if kind == "failed" else event.text
    return f"{_LEADS.get(what, '')}{text}" if what in _LEADS else text[:1].upper() + text[1:]


_PLAIN = {
    "acknowledged": "Acknowledged",
    "commented": "Wrote",
    "unmuted": "Ended the mute",
    "not_a_problem": "Said that it is not a problem",
}
_LEADS = {
    "opened": "Opened: ",
    "reopened": "Came back: ",
    "flapping": "Comes and goes, so from now on several good runs are needed: ",
}


def _resolved(event: IncidentEvent) -> str:
    if event.detail.get("not_a_problem"):
        return "Resolved: it is not a problem, and taken as usual from now on"
    if event.by_kind == "system":
        return event.text[:1].upper() + event.text[1:]
    if "was paused" in event.text:
        return "Resolved, because the monitor was paused"
    return "Resolved: judging was turned off" if "turned the judging" in event.text else "Resolved"


def _told(alerts: Iterable[AlertRecord]) -> list[Step]:
    """One entry for each alert that reached somebody, with what chose them."""
    found = []
    for record in alerts:
        sent = [one.delivery for one in record.deliveries if one.delivery.sent_at]
        moments = [one.sent_at for one in sent if one.sent_at]
        if moments:
            names = troubles.listed((one.channel.name for one in sent), most=3)
            words = _TOLD.get(record.alert.news, "Told {}").format(names)
            why = dict.fromkeys(one.because for one in sent if one.because)
            found.append(Step(f"told-{record.alert.id}", "", words, min(moments), ", ".join(("Tokiflow", *why))))
    return found


_TOLD = {
    "escalated": "Told {}, because nobody had acknowledged",
    "reminder": "Reminded {}",
    "assigned": "Told {} whose it is",
    "acknowledged": "Told {} that somebody is on it",
    "muted": "Told {} that it is muted",
    "unmuted": "Told {} that it is muted no more",
    "resolved": "Told {} that it is over",
}


def _not_told(alerts: Iterable[AlertRecord]) -> list[Step]:
    """One entry for each alert of which deliveries were given up, when the last one was, with what came back."""
    found = []
    for record in alerts:
        lost = [one for one in record.deliveries if one.delivery.status == "dead"]
        if lost:
            at = max(one.attempts[-1].at if one.attempts else one.delivery.created_at for one in lost)
            names = troubles.listed((one.delivery.channel.name for one in lost), most=3)
            why = {one.delivery.last_error for one in lost}
            words = f"Could not tell {names}" + (f": {why.pop()}" if len(why) == 1 and why != {""} else "")
            found.append(Step(f"lost-{record.alert.id}", "late", words, at, "Tokiflow"))
    return found


def _silences_ended(events: Sequence[IncidentEvent], now: datetime) -> list[Step]:
    """One entry for each mute and snooze that ended by itself while the trouble went on; `events` newest first."""
    found: list[Step] = []
    silence: IncidentEvent | None = None
    over = False

    def end(by: datetime) -> None:
        """Let go of a silence that had ended by then."""
        nonlocal silence
        until = datetime.fromisoformat(silence.detail["until"]) if silence else None
        if silence and until and until <= by:
            if not over:
                words = "The snooze ended" if silence.what == "snoozed" else "The mute ended"
                found.append(Step(f"ended-{silence.id}", "new", words, until, "Tokiflow"))
            silence = None

    for event in reversed(events):
        end(event.at)
        if event.what in ("muted", "snoozed", "unmuted"):
            silence = None if event.what == "unmuted" else event
        elif event.what in ("resolved", "reopened", "flapping"):
            over = event.what == "resolved"
    end(now)
    return found
