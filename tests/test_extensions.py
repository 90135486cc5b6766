from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tokiflow import extensions


@pytest.mark.parametrize(
    ("reset_at", "seconds"),
    [(1000.0, 1), (1000.9, 1), (1001.9, 1), (1030.5, 30), (4600.0, 3600), (4601.0, 3600)],
)
def test_nobody_is_told_to_wait_longer_than_the_limit_counts(reset_at, seconds):
    limit = cast(Any, SimpleNamespace(reset_at=reset_at, limit=SimpleNamespace(get_expiry=lambda: 3600)))
    assert extensions.wait_for(limit, now=1000.0) == seconds
