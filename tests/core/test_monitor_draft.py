from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import monitor_draft, schedule
from tokiflow.core.schedule import Every
from tokiflow.errors import Invalid

HOURLY = {"kind": "every", "seconds": 3600}


def test_name_and_schedule_are_enough() -> None:
    draft = monitor_draft.create({"name": "  Nightly \n backup ", "schedule": HOURLY})
    assert draft.name == "Nightly backup"
    assert draft.schedule == Every(3600)
    assert (draft.grace_seconds, draft.max_runtime_seconds, draft.failures_to_open) == (300, 3600, 1)


def test_a_run_may_take_its_period_when_nobody_says_otherwise() -> None:
    def period(said: schedule.Schedule) -> float:
        return float(said.seconds) if isinstance(said, Every) else 0.0

    minute = monitor_draft.create({"name": "x", "schedule": {"kind": "every", "seconds": 60}}, period)
    assert minute.max_runtime_seconds == 60
    assert (
        monitor_draft.create({"name": "x", "schedule": HOURLY, "max_runtime_seconds": 5}, period).max_runtime_seconds
        == 5
    )


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        monitor_draft.create(
            {
                "name": "",
                "schedule": {"kind": "cron", "expression": "nope", "timezone": "Mars/Base"},
                "grace_seconds": -1,
            }
        )
    assert {"name", "grace_seconds"} < set(caught.value.fields)
    assert any(name.startswith("schedule") for name in caught.value.fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grace_seconds", 1.5),
        ("grace_seconds", True),
        ("grace_seconds", "60"),
        ("grace_seconds", float("nan")),
        ("grace_seconds", float("inf")),
        ("grace_seconds", 10**30),
        ("max_runtime_seconds", 0),
        ("max_runtime_seconds", None),
        ("failures_to_open", 0),
        ("successes_to_resolve", 101),
        ("tags", "db"),
        ("tags", [1]),
        ("tags", [str(n) for n in range(21)]),
        ("tags", ["x" * 51]),
        ("slug", "Not A Slug"),
        ("name", "x" * 201),
        ("name", None),
        ("capture_output", "yes"),
        ("channels", ["chn_nope"]),
        ("channels", "all"),
        ("schedule", "hourly"),
        ("description", 5),
    ],
)
def test_bad_values_are_refused_beside_their_field(field: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        monitor_draft.create({"name": "x", "schedule": HOURLY, field: value})
    assert any(name.split(".")[0] == field for name in caught.value.fields)


@given(
    st.dictionaries(
        st.sampled_from(sorted(monitor_draft.FIELDS)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_hostile_values_are_refused_or_taken_but_never_crash(values: dict[str, Any]) -> None:
    try:
        draft = monitor_draft.create({"name": "x", "schedule": HOURLY, **values})
    except Invalid:
        return
    assert "\x00" not in draft.name + draft.description + "".join(draft.tags)


def test_a_change_keeps_what_it_does_not_name() -> None:
    draft = monitor_draft.create({"name": "x", "schedule": HOURLY, "tags": ["db", "db", " prod "]})
    changed = monitor_draft.change(draft, {"grace_seconds": 5})
    assert changed.tags == ("db", "prod")
    assert changed.grace_seconds == 5


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Nightly Backup (EU)", "nightly-backup-eu"),
        ("Überweisung", "uberweisung"),
        ("夜", "monitor"),
        ("--", "monitor"),
    ],
)
def test_slugs_come_from_names(name: str, slug: str) -> None:
    assert monitor_draft.slug_from(name) == slug


def test_sensitivity_is_one_of_four_words():
    values = {"name": "Backup", "schedule": {"kind": "every", "seconds": 3600}}
    assert monitor_draft.create(values).sensitivity == "normal"
    assert monitor_draft.create({**values, "sensitivity": "off"}).sensitivity == "off"
    for wrong in ("loud", None, 3, ["low"]):
        with pytest.raises(Invalid) as refused:
            monitor_draft.create({**values, "sensitivity": wrong})
        assert refused.value.fields == {"sensitivity": ["is unknown; write off, low, normal or high"]}
