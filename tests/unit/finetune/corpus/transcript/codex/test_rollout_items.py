# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.corpus.transcript.codex.rollout_items import ABORTED, RolloutTurns
from node0.finetune.corpus.transcript.turns import CUT, NO_OBJECT_INPUT, REPEATED, SUMMARY, Turn

Item = dict[str, Any]


def message(role: str, words: str) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "id": words, "content": [{"type": kind, "text": words}]}


def call(name: str, arguments: str = '{"cmd": "ls"}') -> Item:
    return {"type": "function_call", "call_id": name, "name": "exec_command", "arguments": arguments}


def output(name: str, content: Any = "ok") -> Item:
    return {"type": "function_call_output", "call_id": name, "output": content}


def turns(*items: Item | str) -> list[Turn]:
    """The turns of items; `closed` and `aborted` stand for what the rollout says between them."""
    made, found = RolloutTurns(), []
    for item in items:
        if item == "closed":
            made.closed()
        elif isinstance(item, str):
            found += list(getattr(made, item)())
        else:
            found += list(made.item(item, "2026-01-05T06:00:00Z"))
    return [*found, *made.rest()]


def test_items_of_one_response_are_one_answer_and_results_one_turn() -> None:
    asked, answer, results, last = turns(
        message("user", "Go."),
        *(message("assistant", "Both."), call("a"), call("b"), "closed"),
        *(output("a"), output("b")),
        message("assistant", "Done."),
    )

    assert [part["type"] for part in answer.content] == ["text", "tool_use", "tool_use"]
    assert answer.content[1]["input"] == {"cmd": "ls"}
    assert [part["tool_use_id"] for part in results.content] == ["a", "b"]
    assert [turn.role for turn in (asked, answer, results, last)] == [
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert (answer.name, answer.at) == ("Both.", "2026-01-05T06:00:00Z")


def test_two_responses_in_a_row_are_two_answers() -> None:
    found = turns(message("assistant", "One."), "closed", message("assistant", "Two."), "closed")

    assert [turn.name for turn in found] == ["One.", "Two."]


def test_a_developers_message_is_a_system_turn() -> None:
    assert [turn.role for turn in turns(message("developer", "x"), message("user", "y"))] == [
        "system",
        "user",
    ]


@pytest.mark.parametrize("how", ["aborted", "message"])
def test_an_open_answer_that_a_person_stopped_is_cut(how: str) -> None:
    stop: Item | str = "aborted" if how == "aborted" else message("user", f"{ABORTED}\nstopped")

    found = turns(message("assistant", "I beg"), stop, message("user", "Go on."))

    assert found[0].unlearnt == CUT


def test_an_answer_whose_calls_were_stopped_is_whole() -> None:
    found = turns(call("a"), "closed", output("a", "aborted by user"), message("user", ABORTED), "aborted")

    assert [turn.unlearnt for turn in found] == ["", "", ""]


def test_where_responses_are_closed_an_open_one_was_cut() -> None:
    found = turns(message("assistant", "One."), "closed", message("user", "x"), message("assistant", "Tw"))

    assert [turn.unlearnt for turn in found] == ["", "", CUT]


def test_an_answer_before_a_compaction_is_its_summary_but_not_one_with_results() -> None:
    assert turns(message("assistant", "All."), "summed_up")[0].unlearnt == SUMMARY
    assert turns(call("a"), output("a"), "summed_up")[0].unlearnt == ""


@pytest.mark.parametrize("arguments", ["", "[]", '"ls"', "{torn", "[" * 5000])
def test_a_call_whose_input_is_no_object_is_context_only(arguments: str) -> None:
    (answer,) = turns(call("a", arguments))

    assert (answer.unlearnt, answer.content[0]["input"]) == (NO_OBJECT_INPUT, {})


def test_an_item_that_is_repeated_says_so() -> None:
    made = RolloutTurns()
    list(made.item(message("assistant", "Old."), "", why=REPEATED))

    assert [turn.unlearnt for turn in made.rest()] == [REPEATED]


def test_calls_and_outputs_of_other_kinds() -> None:
    custom = {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "*** Begin"}
    shell = {"type": "local_shell_call", "call_id": "b", "action": {"command": ["ls"]}}
    parts = [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:"}]

    answer, results = turns(
        custom, shell, output("a", {"content": "ok", "success": True}), output("b", parts)
    )

    assert [part["input"] for part in answer.content] == [{"input": "*** Begin"}, {"command": ["ls"]}]
    assert results.content[0]["content"] == "ok"
    assert results.content[1]["content"] == [{"type": "text", "text": "x"}, {"type": "image"}]


def test_items_of_no_use_are_passed_over() -> None:
    assert turns({"type": "reasoning", "summary": []}, {"type": "message"}, {}) == []
