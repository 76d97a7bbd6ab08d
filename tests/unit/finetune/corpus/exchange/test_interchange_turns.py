# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from node0.finetune.corpus.exchange.interchange_turns import (
    from_openai,
    from_sharegpt,
    function_of,
    to_openai,
    to_sharegpt,
    tool_of,
)

CALLED = [
    {"role": "user", "content": "look"},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a.py"}]},
]


def test_a_result_is_a_turn_of_a_tool_and_words_after_it_a_turn_of_the_user() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a.py"}]}

    turns = to_openai([{"role": "user", "content": [result, {"type": "text", "text": "and?"}]}])

    assert turns == [
        {"role": "tool", "tool_call_id": "t1", "content": "a.py"},
        {"role": "user", "content": "and?"},
    ]
    assert from_openai(turns)[0]["content"][1] == {"type": "text", "text": "and?"}


def test_arguments_are_text_where_they_are_compact() -> None:
    for compact, arguments in ((True, '{"command": "ls"}'), (False, {"command": "ls"})):
        (call,) = to_openai(CALLED, compact=compact)[1]["tool_calls"]

        assert call["function"] == {"name": "Bash", "arguments": arguments}


def test_answers_that_are_not_trained_on_have_no_weight() -> None:
    turns = [{"role": "assistant", "content": "one"}, {"role": "assistant", "content": "two"}]

    assert [turn.get("weight") for turn in to_openai(turns, answers=[1])] == [0, None]


def test_calls_come_back_from_both_forms() -> None:
    assert from_openai(to_openai(CALLED, compact=True)) == CALLED
    (call,) = [item for item in to_sharegpt(CALLED) if item["from"] == "function_call"]
    assert json.loads(call["value"]) == {"name": "Bash", "arguments": {"command": "ls"}}
    back = from_sharegpt(to_sharegpt(CALLED))
    assert back[1]["content"][1]["id"] == back[2]["content"][0]["tool_use_id"] == "call_1"


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        ({"role": "narrator", "content": "x"}, "narrator"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]},
            "no JSON object",
        ),
    ],
)
def test_a_turn_that_cannot_be_one_is_a_value_error(turn: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        from_openai([turn])


def test_an_unknown_speaker_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="narrator"):
        from_sharegpt([{"from": "narrator", "value": "x"}])


def test_a_tool_comes_back_from_the_form_of_a_function() -> None:
    tool = {"name": "Bash", "description": "runs", "input_schema": {"type": "object", "properties": {}}}

    assert tool_of(function_of(tool)) == tool
    assert tool_of({"name": "Bash"}) == {
        "name": "Bash",
        "description": "",
        "input_schema": {"type": "object"},
    }
