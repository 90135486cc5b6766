"""Another SECRET_KEY: whatever lies sealed under a former one is sealed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import select, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB

from tokiflow.core import sealing
from tokiflow.db import db, transaction
from tokiflow.models import AuditChain, Authenticator, Channel, SlackInstallation
from tokiflow.models.sealed import SEALED
from tokiflow.settings import Settings

log = structlog.get_logger()

AT_ONCE = 200
"""So many rows are held at a time: alerts and people wait for no more."""

TEXTS: tuple[tuple[str, Any, Any], ...] = (
    ("tokens of Slack", SlackInstallation.id, SlackInstallation.sealed_token),
    ("authenticators", Authenticator.user_id, Authenticator.sealed_secret),
    ("keys of audit logs", AuditChain.organization_id, AuditChain.sealed_key),
)
"""Where sealed texts lie: what they are, the key of the row, the column. Channels are sealed within their config."""


@dataclass
class Resealed:
    """What came of one kind of secret. `lost`: no key that is set opens it, and it was left as it is."""

    what: str
    anew: int = 0
    already: int = 0
    lost: int = 0


def reseal() -> list[Resealed]:
    """Seal everything with SECRET_KEY that one of the former keys opens, and channels that lie unsealed. May be stopped
    and called again at any time, while everything runs."""
    done = [_column(what, key, column, sealing.sealed_anew) for what, key, column in TEXTS]
    done.append(_column("channels", Channel.id, type_coerce(Channel.config, JSONB).label("config"), _config_anew))
    log.info("secrets_resealed", **{one.what.replace(" ", "_"): one.anew for one in done})
    return done


def _column(what: str, key: Any, column: Any, anew: Callable[[Any, Sequence[str]], Any]) -> Resealed:
    count, keys = Resealed(what), _keys()
    for some in _in_parts(list(db.session.execute(select(key).order_by(key)).scalars())):
        with transaction():
            rows = db.session.execute(select(key, column).where(key.in_(some)).order_by(key).with_for_update()).all()
            for row_key, old in rows:
                _one(count, key, column, row_key, old, lambda value: anew(value, keys))
    return count


def _one(count: Resealed, key: Any, column: Any, row_key: Any, old: Any, anew: Callable[[Any], Any]) -> None:
    try:
        new = anew(old)
    except ValueError:
        count.lost += 1
        return
    if new == old:
        count.already += 1
        return
    # As it stands: a column that seals by itself must not seal it twice.
    value = type_coerce(new, column.type)
    db.session.execute(update(key.class_).where(key == row_key).values({column.name: value}))
    count.anew += 1


def _config_anew(config: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    if SEALED in config:
        return config | {SEALED: sealing.sealed_anew(config[SEALED], keys)}
    sealed: dict[str, Any] = Channel.config.type.process_bind_param(config, db.engine.dialect)
    return sealed


def _in_parts(keys: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]


def _keys() -> tuple[str, ...]:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.secret_keys
