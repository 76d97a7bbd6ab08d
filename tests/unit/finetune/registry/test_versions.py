# SPDX-License-Identifier: Apache-2.0
from node0.finetune.registry import aliases, evaluations, model_events, versions
from node0.finetune.registry.schema import ModelName
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry


def test_a_name_means_the_newest_a_number_or_an_alias(registry: ModelRegistry) -> None:
    with registry.store.write("test") as connection:
        aliases.move(connection, "deacon", Alias.CANDIDATE, 2)

        names = [
            ModelName("deacon", None),
            ModelName("deacon", 1),
            ModelName("deacon", None, Alias.CANDIDATE),
        ]
        found = [versions.find(connection, name) for name in names]
        missing = [ModelName("deacon", 4), ModelName("deacon", None, Alias.ACTIVE), ModelName("nobody", None)]

        assert [entry.version for entry in found if entry] == [3, 1, 2]
        assert [versions.find(connection, name) for name in missing] == [None] * 3
        assert (versions.newest(connection, "deacon"), versions.newest(connection, "nobody")) == (3, 0)


def test_the_same_files_are_the_same_version_only_for_the_same_role(registry: ModelRegistry) -> None:
    entry = registry.require("deacon:2")

    with registry.store.read() as connection:
        again = versions.find_same(connection, entry.model_copy(update={"version": 0}))
        other = versions.find_same(connection, entry.model_copy(update={"role": "witness"}))
        empty = versions.find_same(connection, entry.model_copy(update={"artefacts": []}))

    assert again == entry
    assert other is None
    assert empty is None


def test_the_digest_is_kept_beside_the_files(registry: ModelRegistry) -> None:
    entry = registry.require("deacon:1")

    with registry.store.read() as connection:
        assert versions.stored_digest(connection, entry) == entry.content_digest
        assert versions.stored_digest(connection, entry.model_copy(update={"version": 9})) == ""


def test_a_removed_version_takes_all_but_its_history_with_it(registry: ModelRegistry) -> None:
    registry.move_alias("deacon:2", Alias.CANDIDATE)
    entry = registry.require("deacon:2")

    with registry.store.write("test") as connection:
        versions.remove(connection, entry)

        assert [one.version for one in versions.every(connection)] == [3, 1]
        assert evaluations.evaluations_of(connection, "deacon", 2) == []
        assert aliases.version_of(connection, "deacon", Alias.CANDIDATE) is None
        assert model_events.events_of(connection, "deacon", 2)[0].event == "registered"
