# SPDX-License-Identifier: Apache-2.0
from node0.commands.model.cells import alias_names, base_name, clipped, facts
from node0.finetune.registry.states import Alias


def test_a_long_value_is_cut_to_its_cell_and_a_short_one_is_not() -> None:
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abcdefg", 6) == "abcde…"
    assert clipped(" two\nlines ", 20) == "two lines"


def test_a_base_is_named_by_the_last_part_of_its_place() -> None:
    assert base_name("org/base") == "base"
    assert base_name("/bases/qwen2.5-coder-0.5b-instruct/") == "qwen2.5-coder…"
    assert base_name("") == "-"


def test_aliases_are_written_as_they_are_typed() -> None:
    assert alias_names([Alias.ACTIVE, Alias.CANDIDATE]) == "@active @candidate"
    assert alias_names([]) == "-"


def test_facts_leave_out_what_is_empty() -> None:
    assert facts({"from": None, "to": 0, "rigs": [], "why": ""}) == "to 0"
