# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest

from node0.finetune.corpus.transcript.messages_form import messages_form, offered_tools, plain, system_text
from node0.finetune.corpus.transcript.trajectory import RequestShape

TOOL = {"name": "Bash", "description": "Run.", "input_schema": {"type": "object"}}


def test_a_lone_surrogate_is_replaced() -> None:
    wire = [{"role": "user", "content": [{"type": "text", "text": "a\ud83db\U0001f3ed"}]}]

    (message,) = messages_form(wire).messages

    assert message["content"][0]["text"] == "a\ufffdb\U0001f3ed"


def test_no_part_of_a_call_or_result_keeps_a_lone_surrogate() -> None:
    half = "a\ud83db"
    call = {"type": "tool_use", "id": half, "name": half, "input": {half: half}}
    result = {"type": "tool_result", "tool_use_id": half, "content": [{"type": "text", "text": half}]}

    rebased = messages_form([{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}])

    assert json.dumps(rebased.messages, ensure_ascii=False).encode()
    assert rebased.messages[0]["content"][0]["id"] == rebased.messages[1]["content"][0]["tool_use_id"]


def test_a_message_left_empty_is_dropped_and_positions_follow() -> None:
    thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}
    wire = [{"role": "user", "content": "a"}, thought, {"role": "user", "content": "b"}]

    rebased = messages_form(wire)

    assert [message["content"][0]["text"] for message in rebased.messages] == ["a", "b"]
    assert rebased.index == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "text", "text": "x", "cache_control": {}}, {"type": "text", "text": "x"}),
        ({"type": "image", "source": {"data": "aGk="}}, {"type": "text", "text": "[image]"}),
        ({"type": "document", "source": {}}, {"type": "text", "text": "[document]"}),
        ({"type": "tool_reference", "tool_name": "Edit"}, {"type": "text", "text": "Edit"}),
        (
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"a": ["\ud83d"], "cache_control": 1}},
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"a": ["\ufffd"]}},
        ),
        (
            {"type": "tool_use", "id": "t", "name": "Bash", "input": "no object"},
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {}},
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image"}, 7], "is_error": True},
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "text", "text": "[image]"}],
                "is_error": True,
            },
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": None, "is_error": "no"},
            {"type": "tool_result", "tool_use_id": "t", "content": ""},
        ),
    ],
)
def test_each_kind_of_block_has_its_form(block: dict[str, Any], expected: dict[str, Any]) -> None:
    (message,) = messages_form([{"role": "user", "content": [block]}]).messages

    assert message["content"] == [expected]


@pytest.mark.parametrize("block", [{"type": "thinking"}, {"type": "text", "text": ""}, {"type": "novel"}, {}])
def test_other_blocks_are_left_out(block: dict[str, Any]) -> None:
    assert messages_form([{"role": "user", "content": [block]}]).messages == []


def test_the_billing_line_is_no_part_of_the_system_prompt() -> None:
    shape = RequestShape(("x-anthropic-billing-header: 1", "One.", "Two."))

    assert system_text(shape) == "One.\n\nTwo."


def test_a_deferred_tool_is_read_only_after_a_result_names_it() -> None:
    shape = RequestShape(tools=(TOOL, {**TOOL, "name": "Edit", "defer_loading": True}))
    found = {"type": "tool_result", "content": [{"type": "tool_reference", "tool_name": "Edit"}]}

    before = offered_tools(shape, [{"role": "user", "content": "Edit"}])
    after = offered_tools(shape, [{"role": "user", "content": [found]}])

    assert before == [TOOL]
    assert after == [TOOL, {**TOOL, "name": "Edit"}]


def test_plain_values_stay_as_they_are() -> None:
    value = {"a": [1, None, True, 2.5, {"b": "c"}]}

    assert plain(value) == value
