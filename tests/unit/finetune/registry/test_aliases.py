# SPDX-License-Identifier: Apache-2.0
from node0.finetune.registry import aliases, model_events
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry


def test_an_alias_stands_for_one_version_at_a_time(registry: ModelRegistry) -> None:
    with registry.store.write("test") as connection:
        aliases.move(connection, "deacon", Alias.CANDIDATE, 1)
        aliases.move(connection, "deacon", Alias.CANDIDATE, 3)
        aliases.move(connection, "deacon", Alias.ACTIVE, 3)

        assert aliases.aliases_of(connection) == {("deacon", 3): [Alias.ACTIVE, Alias.CANDIDATE]}
        assert aliases.version_of(connection, "witness", Alias.ACTIVE) is None
        assert aliases.version_of(connection, "deacon", Alias.PREVIOUS) is None


def test_an_alias_can_be_taken_away(registry: ModelRegistry) -> None:
    with registry.store.write("test") as connection:
        aliases.move(connection, "deacon", Alias.CANDIDATE, 2)
        aliases.move(connection, "deacon", Alias.CANDIDATE, None)

        assert aliases.aliases_of(connection) == {}


def test_a_move_is_written_down_and_no_move_is_not(registry: ModelRegistry) -> None:
    with registry.store.write("test") as connection:
        aliases.move(connection, "deacon", Alias.CANDIDATE, 2, reason="better")
        aliases.move(connection, "deacon", Alias.CANDIDATE, 2, reason="again")

        found = [one for one in model_events.events_of(connection, "deacon") if one.event == "alias"]

    assert [(one.version, one.reason) for one in found] == [(2, "better")]
    assert found[0].detail == {"alias": "candidate", "from": None, "to": 2}
