# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_rows import row

from node0.errors import ConfigError
from node0.store.engine import open_store
from node0.store.model_table import (
    delete_model,
    find_model,
    find_same_model,
    insert_model,
    list_artefacts,
    list_artefacts_of,
    list_models,
    newest_version,
    update_model,
)
from node0.store.transactions import Store

FILE = {"path": "model.safetensors", "sha256": "a" * 64, "size": 1 << 40}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = open_store(tmp_path / "store.sqlite")
    yield found
    found.close()


def test_a_version_comes_back_as_it_was_kept_with_its_files_by_path(store: Store) -> None:
    with store.write("test") as transaction:
        insert_model(transaction, row(), [FILE, {**FILE, "path": "config.json"}])

    with store.read() as transaction:
        assert find_model(transaction, "dm", 1) == row()
        assert [file["path"] for file in list_artefacts(transaction, "dm", 1)] == [
            "config.json",
            "model.safetensors",
        ]
        assert list_artefacts(transaction, "dm", 1)[1] == FILE


def test_the_newest_version_is_counted_a_name_at_a_time(store: Store) -> None:
    with store.write("test") as transaction:
        for name, version in (("dm", 1), ("dm", 2), ("other", 1)):
            insert_model(transaction, row(name, version), [])

        assert [newest_version(transaction, name) for name in ("dm", "other", "none")] == [2, 1, 0]


def test_models_are_listed_by_name_and_newest_first_of_one_role_or_all(store: Store) -> None:
    with store.write("test") as transaction:
        for name, version, role in (("b", 1, "deacon"), ("a", 1, "witness"), ("a", 2, "deacon")):
            insert_model(transaction, row(name, version, role=role), [])

        everything = [(one["name"], one["version"]) for one in list_models(transaction)]
        deacons = [(one["name"], one["version"]) for one in list_models(transaction, "deacon")]

    assert everything == [("a", 2), ("a", 1), ("b", 1)]
    assert deacons == [("a", 2), ("b", 1)]


def test_an_update_changes_one_version(store: Store) -> None:
    with store.write("test") as transaction:
        for version in (1, 2):
            insert_model(transaction, row(version=version), [])

        update_model(transaction, "dm", 2, {"eval_score": 0.5, "deployed_to": ["rig"]})

        assert find_model(transaction, "dm", 1) == row()
        assert find_model(transaction, "dm", 2) == row(version=2, eval_score=0.5, deployed_to=["rig"])


def test_a_version_is_kept_once(store: Store) -> None:
    with pytest.raises(ConfigError, match="UNIQUE"), store.write("test") as transaction:
        for _ in range(2):
            insert_model(transaction, row(), [])

    with store.read() as transaction:
        assert find_model(transaction, "dm", 1) is None


def test_the_same_files_are_found_by_their_digest_for_one_name_and_role(store: Store) -> None:
    with store.write("test") as transaction:
        for name, version, role in (("dm", 1, "deacon"), ("dm", 2, "witness"), ("dm", 3, "deacon")):
            insert_model(transaction, row(name, version, role=role, content_digest="c"), [])

        found = find_same_model(transaction, "dm", role="deacon", content_digest="c")

        assert found == row("dm", 3, content_digest="c")
        assert find_same_model(transaction, "dm", role="deacon", content_digest="d") is None
        assert find_same_model(transaction, "other", role="deacon", content_digest="c") is None


def test_the_files_of_many_versions_come_in_one_query(store: Store) -> None:
    with store.write("test") as transaction:
        insert_model(transaction, row("a", 1), [FILE])
        insert_model(transaction, row("a", 2), [{**FILE, "path": "z"}, {**FILE, "path": "b"}])
        insert_model(transaction, row("b", 1), [FILE])

        found = list_artefacts_of(transaction, ["a"])

    assert found["a", 1] == [FILE]
    assert [file["path"] for file in found["a", 2]] == ["b", "z"]
    assert set(found) == {("a", 1), ("a", 2)}


def test_a_removed_version_takes_the_list_of_its_files_with_it(store: Store) -> None:
    with store.write("test") as transaction:
        insert_model(transaction, row(version=1), [FILE])
        insert_model(transaction, row(version=2), [FILE])

        delete_model(transaction, "dm", 1)

        assert find_model(transaction, "dm", 1) is None
        assert set(list_artefacts_of(transaction, ["dm"])) == {("dm", 2)}
