# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from node0.errors import ConfigError
from node0.store.copy_store import copy_store
from node0.store.engine import open_store
from node0.store.tables import contributions, model_events

EVENT = {"number": 1, "at": "", "actor": "", "name": "deacon", "version": 1, "event": "test", "reason": ""}
ROW = EVENT | {"detail": {"any": [1, None]}}


def test_every_row_is_copied_and_counted(tmp_path: Path) -> None:
    source, target = open_store(tmp_path / "a.sqlite"), open_store(tmp_path / "b.sqlite")
    with source.write("test") as connection:
        connection.execute(insert(model_events), [ROW, ROW | {"number": 2}])

    counts = copy_store(source, target)

    assert {name: count for name, count in counts.items() if count} == {"model_events": 2}
    with target.read() as connection:
        assert [dict(row) for row in connection.execute(select(model_events)).mappings()] == [
            ROW,
            ROW | {"number": 2},
        ]


def test_a_store_with_rows_is_not_copied_into(tmp_path: Path) -> None:
    source, target = open_store(tmp_path / "a.sqlite"), open_store(tmp_path / "b.sqlite")
    for store in (source, target):
        with store.write("test") as connection:
            connection.execute(insert(model_events), [ROW])

    with pytest.raises(ConfigError, match="table model_events"):
        copy_store(source, target)

    with target.read() as connection:
        assert connection.execute(select(contributions)).all() == []
