# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.store.engine import open_store
from node0.store.mined_pair_table import (
    CHUNK,
    delete_mined_pairs,
    insert_mined_pairs,
    list_mined_pairs,
    update_mined_pair,
)


def _row(number: int, *, role: str = "polecat") -> dict[str, object]:
    return {
        "id": f"m{number:05}", "role": role, "situation": "s", "chosen": {"turn": number}, "rejected": {},
        "verdict": "waiting", "reason": "", "actor": "", "found_at": f"{9 - number % 10}", "decided_at": None,
    }  # fmt: skip


def test_rows_come_by_time_and_role_and_change(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.sqlite")
    with store.write("Mine") as transaction:
        insert_mined_pairs(transaction, [])
        insert_mined_pairs(transaction, [_row(1), _row(2), _row(3, role="witness")])
        update_mined_pair(transaction, "m00002", {"verdict": "dropped"})
        found = list_mined_pairs(transaction, role="polecat")
        everything = list_mined_pairs(transaction)
    store.close()

    assert [(row["id"], row["verdict"], row["chosen"]) for row in found] == [
        ("m00002", "dropped", {"turn": 2}),
        ("m00001", "waiting", {"turn": 1}),
    ]
    assert len(everything) == 3


def test_any_number_is_forgotten_at_once(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.sqlite")
    with store.write("Mine") as transaction:
        insert_mined_pairs(transaction, [_row(number) for number in range(5 * CHUNK)])
        delete_mined_pairs(transaction, {f"m{number:05}" for number in range(3, 5 * CHUNK)})
        left = list_mined_pairs(transaction)
    store.close()

    assert sorted(row["id"] for row in left) == ["m00000", "m00001", "m00002"]
