"""The statements of judging: what is to be judged, and what came of it, each for any number of monitors at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, delete, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert

from tokiflow.core import ids, judgement
from tokiflow.core.judgement import Usual
from tokiflow.db import changed, db
from tokiflow.models import AuditEvent, Band, Baseline, Incident, Monitor
from tokiflow.services.incident_rows import PERFORMANCE

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""A baseline that has seen nothing yet."""

REPLAYED = 1_000
"""So many of the latest runs are enough to know what is normal."""

OUT_OF_ORDER = timedelta(minutes=5)
"""So much earlier than one that has been judged a ping is looked for first. Only what comes out of a spool is older."""

LONGEST_RUN = timedelta(days=8)
"""So much earlier than its finish a run is looked for first."""

NOT_LATER = timedelta(days=3)
"""A period that was over so much earlier is no news."""

Rows = Sequence[Row[Any]]

_RUN = """id, monitor_id, at, finished_at, outcome, duration_ms, output_at, output_size, metrics, message, environment,
    findings"""

_PINGS = text("""
select m.id as monitor_id, m.ping_count, p.n, p.at, p.signal, p.run_id
from unnest(cast(:ids as uuid[]), cast(:judged as int[]), cast(:since as timestamptz[])) known (id, judged, since)
join monitors m on m.id = known.id
left join pings p on p.monitor_id = m.id and p.at >= known.since and p.at >= :earliest and p.n > known.judged
""")

_RUNS = text(f"select {_RUN}, started_at from runs where id = any(:ids) and at >= :since")

_REPLAY = text(f"""
select m.id as of_monitor, m.ping_count, r.*
from monitors m left join lateral (
    select {_RUN}, started_at from runs
    where monitor_id = m.id and finished_at is not null and outcome <> 'missed'
    order by at desc, id desc limit :most
) r on true
where m.id = any(:ids)
""")

_SAVE = text("""
update baselines b
set judged_until = x.judged_until, judged_count = x.judged_count, calm = x.calm, measures = x.measures
from jsonb_to_recordset(cast(:rows as jsonb)) x (
    monitor_id uuid, judged_until timestamptz, judged_count int, calm int, measures jsonb)
where b.monitor_id = x.monitor_id
""")

_SAVE_BANDS = text("""
insert into bands (monitor_id, measure, day, low, usual, high)
select monitor_id, measure, day, low, usual, high
from jsonb_to_recordset(cast(:rows as jsonb)) x (
    monitor_id uuid, measure text, day timestamptz, low float, usual float, high float)
on conflict (monitor_id, measure, day) do update set low = excluded.low, usual = excluded.usual, high = excluded.high
""")

_SAVE_FINDINGS = text("""
update runs r set findings = x.findings
from jsonb_to_recordset(cast(:rows as jsonb)) x (id uuid, at timestamptz, findings jsonb)
where r.id = x.id and r.at = x.at and r.at >= :earliest
""")

_BEHIND = text("""
select m.id from monitors m left join baselines b on b.monitor_id = m.id
where m.ping_count > coalesce(b.judged_count, 0)
limit :most
""")

# First who may be meant: what was learnt is long, and is read of those only.
_ENDED = text("""
with silent as materialized (
    select b.monitor_id from baselines b join monitors m on m.id = b.monitor_id
    where b.judged_until >= :since and b.judged_until < :hour
        and (m.schedule_kind <> 'every' or m.schedule_seconds <= :most_seconds)
)
select monitor_id from silent where (
    select jsonb_path_exists(measures, 'strict $.run_count.counting ? (@[2] > 0 && @[0] + @[1] <= $over)',
        jsonb_build_object('over', cast(:over as float)), true)
    from baselines b where b.monitor_id = silent.monitor_id
)
limit :most
""")

_ACCEPTED = text("""
select i.monitor_id, said.at, e.detail
from incidents i join incident_events e on e.incident_id = i.id cross join lateral (
    select at from incident_events
    where incident_id = i.id and id > e.id and detail @> '{"not_a_problem": true}' order by id limit 1
) said
where i.monitor_id = any(:ids) and i.class = 'performance' and e.detail ? 'measure'
""")


def begin(monitor_ids: Collection[UUID]) -> set[UUID]:
    """Give those of `monitor_ids` an empty baseline that have none. Those that there are; the others were deleted."""
    known = select(Baseline.monitor_id).where(Baseline.monitor_id == Monitor.id).exists()
    new = select(Monitor.id, literal(NEVER, Baseline.judged_until.type), literal({}, Baseline.measures.type))
    new = new.where(Monitor.id.in_(monitor_ids), ~known).order_by(Monitor.id)
    columns = ["monitor_id", "judged_until", "measures"]
    db.session.execute(insert(Baseline).from_select(columns, new).on_conflict_do_nothing())
    return set(db.session.execute(select(Monitor.id).where(Monitor.id.in_(monitor_ids))).scalars())


def claim(monitor_ids: Collection[UUID]) -> Rows:
    """Those of `monitor_ids` that nobody else judges just now, locked: what is known of each, and its monitor."""
    baseline = [Baseline.judged_until, Baseline.judged_count, Baseline.calm, Baseline.measures]
    statement = select(*Monitor.__table__.columns, *baseline).join(Baseline, Baseline.monitor_id == Monitor.id)
    statement = statement.where(Monitor.id.in_(monitor_ids)).order_by(Monitor.id)
    return db.session.execute(statement.with_for_update(key_share=True, skip_locked=True, of=Baseline)).all()


def new_pings(rows: Rows) -> Rows:
    """Of each monitor in `rows`: how many pings it had, and those that are not judged yet. One look at the database,
    so that they belong together."""
    asked = [(row.id, row.judged_count, row.judged_until - OUT_OF_ORDER) for row in rows]
    found = _pings(asked)
    seen: dict[UUID, int] = {}
    for ping in found:
        seen[ping.monitor_id] = seen.get(ping.monitor_id, 0) + (ping.n is not None)
    count = {ping.monitor_id: ping.ping_count for ping in found}
    late = {id for id, judged, _ in asked if id in count and seen[id] < count[id] - judged}
    if not late:
        return found
    again = _pings([(id, judged, NEVER) for id, judged, _ in asked if id in late])
    return [ping for ping in found if ping.monitor_id not in late] + list(again)


def _pings(asked: Sequence[tuple[UUID, int, datetime]]) -> Rows:
    ids, judged, since = zip(*asked, strict=True)
    values = {"ids": list(ids), "judged": list(judged), "since": list(since), "earliest": min(since)}
    return db.session.execute(_PINGS, values).all()


def runs(run_ids: Collection[UUID], earliest: datetime) -> dict[UUID, Row[Any]]:
    """Those runs by id, of which the first was finished at `earliest`."""
    if not run_ids:
        return {}
    found = {row.id: row for row in _runs(run_ids, earliest - LONGEST_RUN)}
    if missing := set(run_ids) - set(found):
        found |= {row.id: row for row in _runs(missing, NEVER)}
    return found


def _runs(run_ids: Collection[UUID], since: datetime) -> Rows:
    return db.session.execute(_RUNS, {"ids": list(run_ids), "since": since}).all()


def kept_runs(monitor_ids: Collection[UUID]) -> Rows:
    """The latest finished runs of each, with how many pings it had by then; one empty row of a monitor without any."""
    return db.session.execute(_REPLAY, {"ids": list(monitor_ids), "most": REPLAYED}).all() if monitor_ids else ()


def reopened(monitor_ids: Collection[UUID]) -> dict[UUID, int]:
    """Those of `monitor_ids` with an unresolved incident of this class, and how often that came back."""
    statement = select(Incident.monitor_id, Incident.reopened).where(
        Incident.monitor_id.in_(monitor_ids), Incident.class_ == PERFORMANCE, Incident.resolved_at.is_(None)
    )
    return {row.monitor_id: row.reopened for row in db.session.execute(statement)}


def lock_monitors(monitor_ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """The rows of those monitors that nobody else has locked, locked. Nobody is waited for: whoever holds a monitor may
    be waiting for its baseline."""
    if not monitor_ids:
        return {}
    statement = select(*Monitor.__table__.columns).where(Monitor.id.in_(monitor_ids)).order_by(Monitor.id)
    return {row.id: row for row in db.session.execute(statement.with_for_update(key_share=True, skip_locked=True))}


def locked(monitor_id: UUID) -> Baseline | None:
    """What is known of one monitor, whose row the caller has locked. Waits for who judges it just now."""
    statement = select(Baseline).where(Baseline.monitor_id == monitor_id)
    statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return db.session.execute(statement).scalar_one_or_none()


def in_turns(monitor_id: UUID | None, most: int) -> Iterator[list[UUID]]:
    """One monitor, or all of them, so many at a time."""
    if monitor_id is not None:
        yield [monitor_id]
        return
    after = UUID(int=0)
    while True:
        statement = select(Monitor.id).where(Monitor.id > after).order_by(Monitor.id).limit(most)
        some = list(db.session.execute(statement).scalars())
        if not some:
            return
        yield some
        after = some[-1]


def behind(most: int) -> list[UUID]:
    """Monitors with pings that nobody has looked at."""
    return list(db.session.execute(_BEHIND, {"most": most}).scalars())


def ended(over: datetime, most: int) -> list[UUID]:
    """Monitors with runs counted for a period that was over by then, and no run since."""
    hour = over.replace(minute=0, second=0, microsecond=0)
    rarely = judgement.DAY / judgement.FEW
    values = {"since": over - NOT_LATER, "hour": hour, "over": over.timestamp(), "most": most}
    return list(db.session.execute(_ENDED, values | {"most_seconds": rarely.total_seconds()}).scalars())


def accepted(monitor_ids: Collection[UUID]) -> Rows:
    """The steps of incidents of which people said, `at` that moment, that they are no problem."""
    return db.session.execute(_ACCEPTED, {"ids": list(monitor_ids)}).all() if monitor_ids else ()


def accepted_runs(rows: Collection[Any]) -> list[tuple[Row[Any], datetime]]:
    """The runs of those monitors, however old, of which people said that they are no problem, and when they did.

    What was unusual stands with the run. Whose words had to go from the log (services.audit.redact) named none.
    """
    event = AuditEvent
    statement = select(event.after["run"].astext, event.at).where(
        event.organization_id.in_({row.organization_id for row in rows}),
        event.object_id.in_([row.id for row in rows]),
        event.what == "monitor.not_a_problem",
        event.after.has_key("run"),
    )
    said = {ids.parse("run", run_id): at for run_id, at in db.session.execute(statement)} if rows else {}
    found = runs(said, ids.made_at(min(said))) if said else {}
    return [(run, said[id]) for id, run in found.items()]


def forget_bands(before: datetime) -> int:
    """Delete what was normal on the days before."""
    return changed(delete(Band).where(Band.day < before))


def start_over(monitor_id: UUID | None) -> int:
    """Take back all that was learnt of one monitor, or of all; of how many. They are learnt anew when they are judged
    next."""
    values = {"judged_until": NEVER, "judged_count": 0, "calm": 0, "measures": {}}
    statement = update(Baseline).values(**values)
    return changed(statement if monitor_id is None else statement.where(Baseline.monitor_id == monitor_id))


def save(rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what is known now."""
    _write(_SAVE, rows)


def save_bands(bands: Mapping[tuple[UUID, str, datetime], Usual]) -> None:
    """Write what was normal, by monitor, measure and day."""
    _write(
        _SAVE_BANDS,
        [
            {"monitor_id": monitor_id, "measure": measure, "day": day, **usual._asdict()}
            for (monitor_id, measure, day), usual in bands.items()
        ],
    )


def save_findings(rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what was found out about runs: id, at, findings."""
    if rows:
        _write(_SAVE_FINDINGS, rows, {"earliest": min(row["at"] for row in rows)})


def _write(statement: Any, rows: Sequence[Mapping[str, Any]], more: Mapping[str, Any] | None = None) -> None:
    if rows:
        db.session.execute(statement, {"rows": orjson.dumps(rows).decode(), **(more or {})})
