# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.store.canary_table import find_canary, insert_canary, list_canaries, next_canary, update_canary
from node0.store.sqlite_store import SqliteStore

ROW = {
    "number": 1, "role": "deacon", "rigs": ["demo"], "stable": "deacon:1", "candidate": "deacon:2",
    "settings": {"share": 0.2}, "deployment": 0, "state": "starting", "evidence": {}, "actor": "ada",
    "reason": "", "started_at": "2026-03-01T00:00:00+00:00", "ended_at": "",
}  # fmt: skip


def test_canaries_are_numbered_found_and_changed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "registry.db")
    with store.write("a test") as transaction:
        assert next_canary(transaction) == 1
        insert_canary(transaction, ROW)
        insert_canary(transaction, ROW | {"number": next_canary(transaction), "role": "witness"})
        update_canary(transaction, 2, {"state": "running", "deployment": 7})

    with store.read() as transaction:
        assert [row["number"] for row in list_canaries(transaction)] == [1, 2]
        assert find_canary(transaction, 1) == ROW
        assert find_canary(transaction, 2) == ROW | {
            "number": 2, "role": "witness", "state": "running", "deployment": 7,
        }  # fmt: skip
        assert find_canary(transaction, 3) is None
    store.close()
