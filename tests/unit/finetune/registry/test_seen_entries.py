# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.seen_entries import Seen, counts, seen_entries, sightings, trained_on
from node0.finetune.run_dir import EntryUse, RunDirectory


@pytest.fixture
def entry(tmp_path: Path) -> ModelRegistryEntry:
    uses = [
        EntryUse("a", "1" * 64, "x", "train"),
        EntryUse("b", "2" * 64, "x", "train"),
        EntryUse("c", "3" * 64, "x", "val"),
    ]
    RunDirectory(tmp_path).write_entries(uses, {"a": 2, "b": 1})
    return ModelRegistryEntry(name="deacon", role="deacon", version=4, artifact_path=str(tmp_path))


def test_a_version_says_what_it_learned_from_and_what_it_was_held_back(entry: ModelRegistryEntry) -> None:
    assert counts(entry) == {"train": 2, "val": 1}
    assert [row.entry_id for row in seen_entries(entry)] == ["a", "b", "c"]


def test_an_entry_is_found_by_id_or_by_its_content(entry: ModelRegistryEntry) -> None:
    assert list(seen_entries(entry, {"a"})) == [Seen("deacon:4", "a", "1" * 64, "train", 2)]
    assert [row.entry_id for row in seen_entries(entry, {"gone"}, digests={"2" * 64})] == ["b"]
    assert list(seen_entries(entry, set())) == []


def test_what_was_trained_from_a_version_inherits_what_that_learned(entry: ModelRegistryEntry) -> None:
    child = ModelRegistryEntry(
        name="child", role="deacon", version=1, artifact_path="/nowhere", parent="deacon:4"
    )
    grandchild = child.model_copy(update={"version": 2, "parent": "child:1"})
    looped = child.model_copy(update={"version": 3, "parent": "child:3"})

    found = sightings([entry, child, grandchild, looped], {"a", "c"})

    digest = "1" * 64
    assert found == [
        Seen("deacon:4", "a", digest, "train", 2),
        Seen("deacon:4", "c", "3" * 64, "val", 0),
        Seen("child:1", "a", digest, "inherited", 0),
        Seen("child:2", "a", digest, "inherited", 0),
    ]


def test_a_version_without_a_list_has_seen_nothing_that_is_known(tmp_path: Path) -> None:
    entry = ModelRegistryEntry(name="deacon", role="deacon", artifact_path=str(tmp_path))

    assert list(seen_entries(entry)) == []


def test_a_version_was_trained_on_what_it_or_its_parents_learned(entry: ModelRegistryEntry) -> None:
    child = ModelRegistryEntry(
        name="child", role="deacon", version=1, artifact_path="/nowhere", parent="deacon:4"
    )
    stranger = child.model_copy(update={"parent": ""})

    assert trained_on(entry, [entry], {"a", "c", "gone"}) == {"a"}
    assert trained_on(child, [child, entry], {"b", "c"}) == {"b"}
    assert trained_on(stranger, [stranger, entry], {"a", "b"}) == set()
