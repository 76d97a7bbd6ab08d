# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.store.engine import open_store
from node0.store.preference_table import (
    find_transcript,
    insert_preference,
    list_preferences,
    put_transcript,
    update_preference,
)

ROW = {
    "id": "one", "task_bead_id": "gt-1", "role": "polecat", "model_a": "pc:1", "model_b": "pc:2",
    "branch_a": "a", "branch_b": "b", "reason": "", "actor": "me", "created_at": "2",
}  # fmt: skip


def test_rows_come_by_time_and_role_and_change(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store.sqlite"))
    with store.write("Compare") as transaction:
        for changes in ({}, {"id": "two", "created_at": "1"}, {"id": "three", "role": "witness"}):
            insert_preference(transaction, ROW | changes)
        update_preference(transaction, "one", {"chosen_branch": "a"})
        found = list_preferences(transaction, role="polecat")
    store.close()

    assert [(row["id"], row["chosen_branch"]) for row in found] == [("two", None), ("one", "a")]


def test_a_side_has_one_transcript(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store.sqlite"))
    with store.write("Attach") as transaction:
        for number in (1, 2):
            row = {"comparison": "one", "side": "a", "entry_id": f"e{number}", "entry": {"n": number}}
            put_transcript(transaction, row)
        found = find_transcript(transaction, "one", "a")
        other = find_transcript(transaction, "one", "b")
    store.close()

    assert found is not None
    assert (found["entry_id"], found["entry"], other) == ("e2", {"n": 2}, None)
