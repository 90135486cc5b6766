"""What settings mean beyond what they say. That each is documented is a house rule (tests/house)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tokiflow import settings
from tokiflow.settings import Settings, SettingsError

STRONG = "fJ3kQz8LwXv1NpYb7TgRm5HsCd0UeAo2"


def loaded(**values: Any) -> Settings:
    usual = {"SECRET_KEY": STRONG, "DATABASE_URL": "postgresql://u:one@db/toki", "REDIS_URL": "redis://h"}
    return settings.load({**usual, **values})


def test_pings_wait_where_the_operator_says_or_with_the_data_or_in_a_place_of_their_own() -> None:
    assert loaded(TOKIFLOW_SPOOL="/var/spool/toki", TOKIFLOW_DATA="/data").spool == Path("/var/spool/toki")
    assert loaded(TOKIFLOW_DATA="/data").spool == Path("/data/spool")
    assert loaded().spool.name.startswith("tokiflow-spool-")


def test_two_installations_on_one_machine_never_share_a_spool_by_chance() -> None:
    """Whoever finds a file there replays it into his own database."""
    mine = loaded().spool
    assert loaded().spool == mine
    assert loaded(DATABASE_URL="postgresql://u:two@db/toki").spool == mine, "a new password is no new installation"
    assert loaded(DATABASE_URL="postgresql://u:one@db/other").spool != mine
    assert loaded(SECRET_KEY=STRONG[::-1]).spool != mine


def test_a_key_can_be_exchanged_without_pings_being_left_in_the_spool() -> None:
    both = loaded(SECRET_KEY=STRONG[::-1], TOKIFLOW_FORMER_SECRET_KEYS=STRONG)
    assert both.secret_keys == (STRONG[::-1], STRONG)
    assert both.spool == loaded().spool


@pytest.mark.parametrize("former", ["short", f"{STRONG} changeme", "a" * 40])
def test_a_former_key_that_is_easy_to_guess_is_refused(former: str) -> None:
    with pytest.raises(SettingsError, match="TOKIFLOW_FORMER_SECRET_KEYS: has a key that is too easy to guess"):
        loaded(TOKIFLOW_FORMER_SECRET_KEYS=former)


@pytest.mark.parametrize("rate", ["60", "60/fortnight", "0/minute", "sixty a minute", "60/minute burst 0", "-1/minute"])
def test_a_rate_that_is_none_is_refused_with_what_to_write(rate: str) -> None:
    with pytest.raises(SettingsError, match=r"TOKIFLOW_PING_RATE: .* is not a rate; write one like 60/minute burst 30"):
        loaded(TOKIFLOW_PING_RATE=rate)
