# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from model_rows import row

from node0.store.engine import open_store
from node0.store.history_tables import (
    append_evaluation_row,
    append_event_row,
    list_evaluations,
    list_events,
)
from node0.store.model_table import insert_model

EVENT = {"at": "", "actor": "me", "event": "note", "reason": "", "detail": {"a": [1, None, "\u00e9"]}}
SCORE = {
    "at": "",
    "suite": "held-out",
    "items": 3,
    "score": 0.1 + 0.2,
    "low": None,
    "high": 1.0,
    "by_category": {},
    "detail": {"suite_digest": "s"},
}


def test_events_are_numbered_over_all_and_listed_by_model_or_version(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite").write("test") as transaction:
        for name, version in (("dm", 1), ("other", 1), ("dm", 2)):
            append_event_row(transaction, {**EVENT, "name": name, "version": version})

        assert [one["number"] for one in list_events(transaction, "dm")] == [1, 3]
        assert list_events(transaction, "dm", 2) == [{**EVENT, "name": "dm", "version": 2, "number": 3}]


def test_measurements_are_numbered_by_version_and_come_back_as_they_were(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite").write("test") as transaction:
        for version in (1, 2):
            insert_model(transaction, row(version=version), [])
        for version in (1, 2, 2):
            append_evaluation_row(transaction, {**SCORE, "name": "dm", "version": version})

        found = list_evaluations(transaction, "dm", 2)

        assert found[1] == {**SCORE, "name": "dm", "version": 2, "number": 2}
        assert [one["number"] for one in found] == [1, 2]
        assert list_evaluations(transaction, "dm", 3) == []
