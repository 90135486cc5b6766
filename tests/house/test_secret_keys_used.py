"""Whatever is signed or sealed outlives the exchange of SECRET_KEY."""

from __future__ import annotations

import re
from pathlib import Path

from tokiflow.db import db
from tokiflow.models.sealed import SealedJson
from tokiflow.services import secret_keys

ROOT = Path(__file__).parents[2]
ALONE = {"tokiflow/settings.py", "tokiflow/app.py", "tokiflow/cli/up.py", "tokiflow/local/folder.py"}
"""Where the one key is what is meant."""


def test_nobody_signs_or_opens_with_the_newest_key_alone():
    """`settings.secret_keys` has the former ones as well; `core.signing` and `core.sealing` take them all."""
    files = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.glob("tokiflow/**/*.py")
    }
    assert [name for name, text in files.items() if name not in ALONE and re.search(r"\.secret_key\b", text)] == []


def test_every_column_that_lies_sealed_is_sealed_anew():
    columns = [column for table in db.metadata.sorted_tables for column in table.columns]
    texts = {str(column) for column in columns if column.name.startswith("sealed")}
    assert texts == {str(column.property.columns[0]) for _, _, column in secret_keys.TEXTS}
    objects = {str(column) for column in columns if isinstance(column.type, SealedJson)}
    assert objects == {"channels.config"}, "teach services.secret_keys to seal the others anew"
