# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from model_rows import row

from node0.store.deployment_tables import (
    drop_alias,
    find_alias,
    insert_deployment,
    list_aliases,
    list_deployments,
    next_deployment,
    put_alias,
    update_deployment,
)
from node0.store.engine import open_store
from node0.store.model_table import insert_model

DEPLOYMENT = {
    **dict.fromkeys(("agent", "actor", "reason", "started_at", "ended_at"), ""),
    "name": "dm",
    "version": 1,
    "role": "deacon",
    "rigs": ["demo"],
    "endpoint": {"url": "http://host"},
    "forced": 0,
    "edits": [{"before": None, "after": '"x"'}],
}


def test_deployments_are_numbered_and_listed_by_state(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite").write("test") as transaction:
        for state in ("started", "active", "started"):
            number = next_deployment(transaction)
            insert_deployment(transaction, {**DEPLOYMENT, "number": number, "state": state})
        update_deployment(transaction, 3, {"state": "reverted", "ended_at": "now"})

        assert [one["number"] for one in list_deployments(transaction)] == [1, 2, 3]
        assert list_deployments(transaction, ["started"]) == [{**DEPLOYMENT, "number": 1, "state": "started"}]
        assert [one["ended_at"] for one in list_deployments(transaction, ["reverted", "active"])] == [
            "",
            "now",
        ]


def test_an_alias_stands_for_one_version_or_none(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite").write("test") as transaction:
        for version in (1, 2):
            insert_model(transaction, row(version=version), [])
            put_alias(transaction, {"name": "dm", "alias": "active", "version": version, "moved_at": ""})

        assert find_alias(transaction, "dm", "active") == 2
        assert [one["version"] for one in list_aliases(transaction)] == [2]
        drop_alias(transaction, "dm", "active")
        assert find_alias(transaction, "dm", "active") is None
