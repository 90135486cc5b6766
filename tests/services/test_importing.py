"""An organization goes out as a file and comes back as itself; what is no such file leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from tests.factories import make_channel, make_monitor, make_slack_installation
from tests.house.things import make_things
from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import (
    Band,
    Baseline,
    Channel,
    Delivery,
    Incident,
    Membership,
    Monitor,
    Organization,
    Rollup,
    RoutingRule,
    User,
    UserSession,
)
from tokiflow.models import Ping as PingRow
from tokiflow.queries import audit_chains
from tokiflow.services import audit, channels, incidents, monitors, outputs, pings
from tokiflow.services.exporting import Asked, organization, tables
from tokiflow.services.importing import rows as importing_rows
from tokiflow.services.importing.archive import BadArchive
from tokiflow.services.importing.organization import restore

NOW = datetime.now(UTC).replace(microsecond=123456)
HOUR = timedelta(hours=1)
OPERATOR = Actor("system", "an operator at the command line")
LARGE = b"a long line of output\n" * 1_000
SECRET = "whsec-do-not-tell"


def export(organization_id, user_id, path):
    """The file at `path`, made as the job makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = []
    asked = Asked(ids.new(), "organization", organization_id, user_id, {}, NOW)
    name = organization.make(asked, path, lambda done, total: said.append((done, total)))
    assert name.endswith(".zip")
    return path


def content(path):
    """What is in the file, by name."""
    with zipfile.ZipFile(path) as archive:
        return {one: archive.read(one) for one in archive.namelist()}


def rows(files, name):
    return [json.loads(line) for line in files[f"tables/{name}.jsonl"].splitlines()]


@pytest.fixture
def harbour(organization, alice, bob, adam):
    """Harbour Freight in full: trouble with a story, channels with secrets, output of every size."""
    things = make_things(organization, NOW - HOUR)
    upstream = make_monitor(organization, "Upstream", created_by=alice.id)
    by_alice = Actor("person", "Alice", alice.id, "203.0.113.9")
    monitors.edit(upstream.id, {"depends_on": [things["monitor_id"]], "description": '日本 "x"\n'}, by_alice, NOW)
    incident = ids.parse("inc", things["incident_id"])
    incidents.comment(incident, "I look at it", by_alice, NOW - HOUR / 2)
    incidents.acknowledge(incident, by_alice, NOW - HOUR / 3)
    hook = {"url": "https://hooks.example/x", "secret": SECRET, "headers": {"Authorization": SECRET}}
    channels.create(organization.id, {"kind": "webhook", "name": "Signed", "config": hook}, by_alice, NOW)
    slack = {"url": "https://hooks.slack.com/services/T0/B0/" + SECRET}
    channels.create(organization.id, {"kind": "slack", "name": "#ops", "config": slack}, by_alice, NOW)
    make_channel(organization, "email", name="Mail", config={"to": ["ops@harbour.example"]})
    make_slack_installation(organization, installed_by=alice.id)
    for n, body in enumerate((LARGE, b"\xff\x00 not text", b"")):
        ping = Ping(Signal.SUCCESS, NOW - HOUR + timedelta(seconds=n), body=body, body_size=len(body))
        pings.record([pings.Incoming(upstream.token, ping)], NOW)
    outputs.offload(datetime.now(UTC) + HOUR)
    assert db.session.scalar(select(func.count()).where(PingRow.body_key.is_not(None))) == 1
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    with transaction():
        db.session.execute(text("update deliveries set status = 'sent'"))
        db.session.add_all(
            [
                Rollup(
                    monitor_id=upstream.id, grain="day", at=day, succeeded=3, timed=3, squares=0.1, histogram={"7": 3}
                ),
                Band(monitor_id=upstream.id, measure="run_time", day=day, low=1, usual=1.5, high=1e300),
                Baseline(monitor_id=upstream.id, judged_until=NOW, measures={"run_time": {"mean": 0.1 + 0.2}}),
            ]
        )
    return organization


def forgotten(files):
    """The content without what an import says of itself, and what channels lose on their way."""
    seen = {}
    for name in files:
        if name.startswith("tables/"):
            seen[name] = [json.loads(line) for line in files[name].splitlines()]
    seen["tables/audit_events.jsonl"] = [
        one for one in seen["tables/audit_events.jsonl"] if one["what"] not in ("organization.imported", "goes.on")
    ]
    for one in seen["tables/audit_chains.jsonl"]:
        del one["n"], one["hash"]
    for one in seen["tables/channels.jsonl"]:
        one["secrets_left_out"] = one["enabled"] = one["disabled_reason"] = None
    members = [json.loads(line) for line in files["members.jsonl"].splitlines()]
    return seen, members, {name: data for name, data in files.items() if name.startswith("outputs/")}


def test_an_organization_comes_back_as_itself(harbour, alice, empty_database_later, tmp_path):
    first = export(harbour.id, alice.id, tmp_path / "first" / "it.zip")
    tokens = dict(db.session.execute(select(Monitor.name, Monitor.token)).all())
    key, name, organization_id = harbour.ping_key, harbour.name, harbour.id
    empty_database_later()

    done = restore(first, OPERATOR, NOW)
    assert (done.organization_id, done.name, done.outputs) == (organization_id, name, 3)
    assert sorted(done.channels) == ["#ops", "Signed"]
    assert dict(db.session.execute(select(Monitor.name, Monitor.token)).all()) == tokens
    assert db.session.get_one(Organization, organization_id).ping_key == key
    assert db.session.scalar(select(func.count()).select_from(UserSession)) == 0, "accounts, but nobody is signed in"

    row = audit_chains.get(organization_id)
    assert row is not None
    assert list(audit_chains.breaks(row.organization_id, audit.key_of(row))) == []
    with transaction():
        audit.record("goes.on", TOKIFLOW, organization_id, NOW)
    assert list(audit_chains.breaks(row.organization_id, audit.key_of(row))) == [], "and it goes on"

    outputs.offload(datetime.now(UTC) + HOUR)
    assert db.session.scalar(select(func.count()).where(PingRow.body_key.is_not(None))) == 1, "it is in the store again"
    second = export(organization_id, ids.new(), tmp_path / "second" / "it.zip")
    assert forgotten(content(second)) == forgotten(content(first))


def test_every_kind_of_column_can_come_back():
    for column in (column for part in tables.PARTS for column in part.columns):
        with pytest.raises((TypeError, ValueError)):
            importing_rows.fitting(column, object())


def test_its_pings_go_on_where_they_were(harbour, alice, empty_database_later, tmp_path):
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    token = db.session.execute(select(Monitor.token).where(Monitor.name == "Upstream")).scalar_one()
    empty_database_later()
    restore(path, OPERATOR, NOW)
    counted = select(Monitor.ping_count).where(Monitor.token == token)
    before = db.session.execute(counted).scalar_one()
    pings.record([pings.Incoming(token, Ping(Signal.SUCCESS, NOW))], NOW)
    assert db.session.execute(counted).scalar_one() == before + 1


def test_what_is_in_it_is_counted_and_signed(harbour, alice, tmp_path):
    files = content(export(harbour.id, alice.id, tmp_path / "it.zip"))
    manifest = json.loads(files["manifest.json"])
    assert (manifest["format"], manifest["version"]) == ("tokiflow-organization", 1)
    for name, said in manifest["files"].items():
        assert (len(files[name]), hashlib.sha256(files[name]).hexdigest()) == (said["size"], said["sha256"])
        assert "rows" not in said or len(files[name].splitlines()) == said["rows"]
    loose = set(files) - set(manifest["files"]) - {"manifest.json"}
    assert manifest["outputs"]["files"] == len(loose) == 3
    named = {one["output"]["file"]: one["output"]["sha256"] for one in rows(files, "pings") if one["output"]}
    assert {name: hashlib.sha256(files[name]).hexdigest() for name in loose} == named
    assert LARGE in files.values()


def test_secrets_stay_at_home_and_are_named(harbour, alice, tmp_path):
    files = content(export(harbour.id, alice.id, tmp_path / "it.zip"))
    everything = b"".join(files.values())
    assert SECRET.encode() not in everything
    assert b"hooks.slack.com/services" not in everything
    named = {one["name"]: one["secrets_left_out"] for one in rows(files, "channels")}
    assert named["Signed"] == ["headers", "secret"]
    assert named["#ops"] == ["url"]
    assert named["Mail"] == []
    assert any("signing secrets" in one for one in json.loads(files["manifest.json"])["left_out"])


def test_channels_without_their_secrets_are_disabled_and_say_what_to_do(
    harbour, alice, empty_database_later, tmp_path, client_for
):
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    email = alice.email
    empty_database_later()
    restore(path, OPERATOR, NOW)
    signed = db.session.execute(select(Channel).where(Channel.name == "Signed")).scalar_one()
    assert not signed.enabled
    assert "write its signing secret and headers again" in signed.disabled_reason
    assert db.session.execute(select(Channel.enabled).where(Channel.name == "Mail")).scalar_one()
    hers = client_for(db.session.execute(select(User).where(User.email == email)).scalar_one())
    assert hers.get("/app/channels").status_code == 200
    for public in [ids.public("chn", one) for one in db.session.execute(select(Channel.id)).scalars()]:
        assert hers.get(f"/app/channels/{public}").status_code == 200
        assert hers.get(f"/app/channels/{public}/edit").status_code == 200


def test_what_was_about_to_be_sent_is_not_sent_twice(harbour, alice, empty_database_later, tmp_path):
    with transaction():
        db.session.execute(text("update deliveries set status = 'pending', lease_until = now()"))
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    empty_database_later()
    restore(path, OPERATOR, NOW)
    assert set(db.session.execute(select(Delivery.status)).scalars()) == {"dead"}


def test_members_who_are_here_already_keep_their_account(harbour, alice, bob, empty_database_later, tmp_path):
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    email = alice.email
    empty_database_later()
    with transaction():
        here = User(id=ids.new(), email=email, name="Alice of old", timezone="Asia/Tokyo")
        db.session.add(here)
    restore(path, OPERATOR, NOW)
    db.session.expire_all()
    assert (here.name, here.timezone) == ("Alice of old", "Asia/Tokyo")
    roles = dict(db.session.execute(select(User.email, Membership.role).join(Membership)).all())
    assert roles[email] == "owner"
    assert len(roles) == 4
    made_by = db.session.execute(select(Monitor.created_by).where(Monitor.name == "Upstream")).scalar_one()
    assert made_by == here.id


def test_twice_is_refused_and_changes_nothing(harbour, alice, tmp_path):
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    with pytest.raises(errors.Conflict, match="here already"):
        restore(path, OPERATOR, NOW)


# --- bad files --------------------------------------------------------------------------------------------------


def rewritten(path, change, *, honest=True):
    """The archive after `change(files)`; honest: its manifest agrees with what is in it now."""
    files = content(path)
    change(files)
    if honest and "manifest.json" in files:
        manifest = json.loads(files["manifest.json"])
        for name, said in (manifest["files"] or {}).items():
            if name in files:
                said |= {"size": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
        files["manifest.json"] = json.dumps(manifest).encode()
    bad = path.with_name("bad.zip")
    with zipfile.ZipFile(bad, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return bad


def edit(name, change):
    """Changes each row of a table."""

    def apply(files):
        found = rows(files, name)
        for one in found:
            change(one)
        files[f"tables/{name}.jsonl"] = b"".join(json.dumps(one).encode() + b"\n" for one in found)

    return apply


def manifest(**said):
    def apply(files):
        files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **said}).encode()

    return apply


def without(name):
    def apply(files):
        del files[name]

    return apply


def spoiled_output(files):
    name = next(one for one in files if one.startswith("outputs/"))
    files[name] = b"something else"


STRANGER = str(ids.new())
BAD = {
    "no manifest": (without("manifest.json"), "no manifest.json"),
    "another format": (manifest(format="tokiflow-person"), "not the export of an organization"),
    "a later version": (manifest(version=2), "has version 2"),
    "no files named": (manifest(files=None), "does not say what should be in it"),
    "a table is missing": (without("tables/runs.jsonl"), "runs.jsonl is missing"),
    "an output is missing": (
        lambda files: [files.pop(n) for n in list(files) if n.startswith("outputs/")],
        "is missing",
    ),
    "an output was changed": (spoiled_output, "not as it was written"),
    "no JSON": (
        lambda files: files.update({"tables/runs.jsonl": b"{oops\n"}),
        "Line 1 of tables/runs.jsonl is no JSON",
    ),
    "no object": (lambda files: files.update({"tables/runs.jsonl": b"[1]\n"}), "no JSON object"),
    "deep": (lambda files: files.update({"tables/runs.jsonl": b"[" * 100_000 + b"\n"}), "no JSON"),
    "a strange column": (edit("monitors", lambda one: one.update(evil=1)), "evil is no column"),
    "a missing column": (edit("monitors", lambda one: one.pop("token")), "token is missing"),
    "a wrong kind": (edit("monitors", lambda one: one.update(grace_seconds="long")), "grace_seconds can’t be read"),
    "no finite number": (edit("bands", lambda one: one.update(high=float("inf"))), "high can’t be read"),
    "text for a number": (edit("bands", lambda one: one.update(low="1.5")), "low can’t be read"),
    "a number for an id": (edit("runs", lambda one: one.update(monitor_id=5)), "monitor_id can’t be read"),
    "a wrong time": (edit("runs", lambda one: one.update(at="yesterday")), "at can’t be read"),
    "a time without a zone": (edit("runs", lambda one: one.update(at="2026-07-01T08:00:00")), "at can’t be read"),
    "NUL": (edit("monitors", lambda one: one.update(name="a\x00b")), "name can’t be read"),
    "NUL in JSON": (edit("alerts", lambda one: one.update(content={"a": "\x00"})), "can’t be stored"),
    "too long": (edit("monitors", lambda one: one.update(name="x" * 201)), "name can’t be read"),
    "too large": (edit("monitors", lambda one: one.update(grace_seconds=2**40)), "can’t be stored"),
    "empty": (edit("monitors", lambda one: one.update(token=None)), "token is empty"),
    "a bad status": (edit("monitors", lambda one: one.update(status="fine")), "does not fit together"),
    "another organization": (
        edit("incidents", lambda one: one.update(organization_id=STRANGER)),
        "another organization",
    ),
    "another's monitor": (edit("runs", lambda one: one.update(monitor_id=STRANGER)), "not in the file"),
    "another's incident": (edit("incident_events", lambda one: one.update(incident_id=STRANGER)), "not in the file"),
    "a strange channel": (edit("channels", lambda one: one.update(kind="pigeon")), "does not know: pigeon"),
    "a bad role": (
        lambda files: files.update({"members.jsonl": b'{"role": "king"}\n'}),
        "members.jsonl names somebody",
    ),
    "a changed log": (edit("audit_events", lambda one: one.update(by="Mallory")), "was changed"),
    "a shorter log": (lambda files: files.update({"tables/audit_events.jsonl": b""}), "was changed"),
    "another key": (edit("audit_chains", lambda one: one.update(key="x")), "was changed"),
    "two organizations": (
        lambda files: files.update({"tables/organizations.jsonl": files["tables/organizations.jsonl"] * 2}),
        "holds 2 organizations",
    ),
}


def test_bad_files_say_why_and_leave_nothing(harbour, alice, empty_database_later, tmp_path, subtests):
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    empty_database_later()
    for what, (change, said) in BAD.items():
        with subtests.test(what):
            bad = rewritten(path, change)
            with pytest.raises(errors.TokiflowError, match=said):
                restore(bad, OPERATOR, NOW)
            for model in (Organization, User, Monitor, Incident, Channel, RoutingRule, PingRow):
                assert db.session.scalar(select(func.count()).select_from(model)) == 0
    assert restore(path, OPERATOR, NOW).name == "Harbour Freight"


def test_what_was_changed_after_it_was_written_is_noticed(harbour, alice, empty_database_later, tmp_path):
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    bad = rewritten(path, edit("monitors", lambda one: one.update(name="Other")), honest=False)
    empty_database_later()
    with pytest.raises(BadArchive, match=r"monitors\.jsonl is not as it was written"):
        restore(bad, OPERATOR, NOW)


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", None])
def test_what_is_no_zip_says_so(app, data, tmp_path):
    path = tmp_path / "it.zip"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadArchive, match=r"no zip|no file"):
        restore(path, OPERATOR, NOW)


def test_half_a_download_says_so(harbour, alice, empty_database_later, tmp_path):
    path = export(harbour.id, alice.id, tmp_path / "it.zip")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    empty_database_later()
    with pytest.raises(BadArchive):
        restore(path, OPERATOR, NOW)


@pytest.fixture
def empty_database_later(database):
    """Call it to begin anew: no row is left, and nothing in the store."""

    def empty():
        db.session.remove()
        database.empty()
        store = storage.current()
        assert store is not None
        store.delete_below(outputs.ROOT)

    return empty


def test_every_table_is_told_or_left_out_on_purpose():
    """A new table is either in the export, or in this list with a reason."""
    told = {part.name for part in tables.PARTS} | {"users", "memberships"}
    elsewhere = {table.name for table, _ in tables.elsewhere()}
    of_people = {"user_sessions", "passkeys", "authenticators", "recovery_codes", "sign_in_links"}
    ours = {"blind_spells", "heartbeats", "spools", "offloads", "erasures", "api_key_uses", "rollup_marks"}
    assert set(db.metadata.tables) == told | elsewhere | of_people | ours
