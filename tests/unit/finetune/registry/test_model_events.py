# SPDX-License-Identifier: Apache-2.0
from node0.finetune.registry.model_events import LONGEST_REASON, append_event, events_of, now, short
from node0.finetune.registry.store import ModelRegistry
from node0.store.transactions import actor


def test_events_are_numbered_over_all_models_and_listed_by_one(registry: ModelRegistry) -> None:
    with registry.store.write("test") as connection:
        append_event(connection, "deacon", 2, "note", reason="first")
        append_event(connection, "witness", 1, "note")
        append_event(connection, "deacon", 3, "note", detail={"a": [1, None]})

        notes = [one for one in events_of(connection, "deacon") if one.event == "note"]
        of_two = [one.event for one in events_of(connection, "deacon", 2)]

    assert [one.number for one in notes] == [notes[0].number, notes[0].number + 2]
    assert [one.detail for one in notes] == [{}, {"a": [1, None]}]
    assert {one.actor for one in notes} == {actor()}
    assert of_two == ["registered", "evaluated", "note"]


def test_a_reason_is_one_line_that_its_column_holds() -> None:
    assert short("  two\n lines\t") == "two lines"
    assert len(short("x" * 5000)) == LONGEST_REASON


def test_the_time_is_utc_to_the_second() -> None:
    assert now().endswith("+00:00")
    assert "." not in now()
