# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node0.store.engine import open_store
from node0.store.job_table import (
    append_transition,
    find_job,
    insert_job,
    list_jobs,
    list_transitions,
    update_job,
)
from node0.store.transactions import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = open_store(tmp_path / "store.sqlite")
    yield found
    found.close()


def row(job_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "run_dir": f"/runs/{job_id}",
        "bead_id": None,
        "role": "deacon",
        "mode": "sft",
        "state": "ready",
        "created_at": "1",
        "updated_at": "1",
        **changes,
    }


def test_a_job_is_found_by_its_id_before_any_bead_and_by_the_newest_of_a_bead(store: Store) -> None:
    with store.write("test") as transaction:
        insert_job(transaction, row("a", bead_id="gt-1", updated_at="1"))
        insert_job(transaction, row("b", bead_id="gt-1", updated_at="2"))
        insert_job(transaction, row("gt-1", updated_at="0"))

        by_id = find_job(transaction, "gt-1")
        update_job(transaction, "gt-1", {"bead_id": "x"})
        by_bead = find_job(transaction, "x")

        assert by_id == row("gt-1", updated_at="0")
        assert by_bead == row("gt-1", updated_at="0", bead_id="x")
        assert find_job(transaction, "none") is None


def test_jobs_are_listed_with_the_last_one_touched_first(store: Store) -> None:
    with store.write("test") as transaction:
        for job_id, state, at in (("a", "done", "1"), ("b", "ready", "3"), ("c", "done", "2")):
            insert_job(transaction, row(job_id, state=state, updated_at=at))

        assert [job["id"] for job in list_jobs(transaction)] == ["b", "c", "a"]
        assert [job["id"] for job in list_jobs(transaction, "done")] == ["c", "a"]


def test_transitions_are_counted_a_job_at_a_time(store: Store) -> None:
    with store.write("test") as transaction:
        for job_id in ("a", "b"):
            insert_job(transaction, row(job_id))
        for job_id, state in (("a", "ready"), ("b", "ready"), ("a", "training")):
            append_transition(transaction, job_id, {"at": "1", "state": state, "reason": "why"})

        assert list_transitions(transaction, "a") == [
            {"number": 1, "at": "1", "state": "ready", "reason": "why"},
            {"number": 2, "at": "1", "state": "training", "reason": "why"},
        ]
        assert list_transitions(transaction, "none") == []
