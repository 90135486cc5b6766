"""A short run of the bench that kills everything at random (bench/chaos.py)."""

from __future__ import annotations

import pytest

from bench import chaos

SEED = 9
BLOWS = ("kill -9 PostgreSQL", "kill -9 gunicorn's worker", "end all sessions", "restart web gracefully", "kill -9 web")


@pytest.mark.timeout(240)
def test_what_was_answered_is_kept_once_whatever_dies() -> None:
    done, found, said = chaos.run(8, SEED, 30, intake=False, monitors=50, size=6, blows=BLOWS)
    assert found.well, f"{found}\n{chaos.report(done)}\n{said[-5000:]}"
    assert found.told > 100
    assert len(done) >= 3
    for one in done:
        assert one.answers.get("503", 0) == 0, "the spool takes what the database can't"
        if one.blow == "restart web gracefully":
            assert "ConnectionRefusedError" not in one.answers
