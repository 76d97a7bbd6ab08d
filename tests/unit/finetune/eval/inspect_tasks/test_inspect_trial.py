# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass, field
from typing import Any

import pytest
from eval_items import an_item, called, said

from node0.errors import SandboxUnavailable
from node0.finetune.chat.messages import Block
from node0.finetune.eval.inspect_tasks import inspect_trial
from node0.finetune.eval.inspect_tasks.inspect_files import sample
from node0.finetune.eval.inspect_tasks.inspect_trial import (
    heard_messages,
    item_of,
    judge,
    require_sandbox,
    said_blocks,
    tool_rows,
)
from node0.finetune.eval.suite.load import load_suite


@dataclass
class Call:
    """A call as inspect-ai has it."""

    id: str
    function: str
    arguments: dict[str, Any]


@dataclass
class Said:
    """A message as inspect-ai has it."""

    text: str = ""
    tool_calls: list[Call] | None = field(default_factory=list)


def _heard(content: list[Block], message: Said) -> list[dict[str, Any]]:
    request = an_item().request()
    request["messages"].append({"role": "user", "content": content})
    return heard_messages(request, message)


def test_an_item_comes_back_from_its_sample() -> None:
    for item in load_suite()[::20]:
        assert item_of(sample(item)["metadata"]) == item


def test_words_come_before_calls_and_nothing_is_no_block() -> None:
    calls = [Call("a", "Bash", {"command": "bd list"}), Call("b", "Read", {"file_path": "x"})]

    assert said_blocks(Said("Look.", calls)) == [
        *said("Look."),
        {"type": "tool_use", "id": "a", "name": "Bash", "input": {"command": "bd list"}},
        {"type": "tool_use", "id": "b", "name": "Read", "input": {"file_path": "x"}},
    ]
    assert said_blocks(Said("", None)) == []


def test_half_of_a_character_is_replaced_in_words_and_calls() -> None:
    blocks = said_blocks(Said("\ud83d", [Call("a", "Bash", {"command": "echo \udc00"})]))

    assert blocks == [*said("\ufffd"), {**called("Bash", command="echo \ufffd")[0], "id": "a"}]


def test_a_result_names_its_call_and_tool_and_whether_it_failed() -> None:
    calls = [Call("a", "Bash", {}), Call("b", "Read", {})]
    heard = _heard(
        [
            {"type": "tool_result", "tool_use_id": "a", "content": "no such bead", "is_error": True},
            {"type": "tool_result", "tool_use_id": "b", "content": "text"},
        ],
        Said("", calls),
    )

    assert heard == [
        {
            "role": "tool",
            "tool_call_id": "a",
            "function": "Bash",
            "content": "no such bead",
            "error": {"type": "unknown", "message": "no such bead"},
        },
        {"role": "tool", "tool_call_id": "b", "function": "Read", "content": "text"},
    ]


def test_what_words_proposed_is_heard_in_words() -> None:
    assert _heard([*said("wrote a"), *said("exit code 1")], Said("...")) == [
        {"role": "user", "content": "wrote a\n\nexit code 1"}
    ]
    assert _heard(said(""), Said("...")) == [{"role": "user", "content": ""}]


def test_tools_have_the_names_that_inspect_gives_their_fields() -> None:
    (row,) = tool_rows(an_item(tools=["Bash"]))

    assert (row.keys(), row["name"]) == ({"name", "description", "parameters"}, "Bash")
    assert row["parameters"]["required"] == ["command"]
    assert tool_rows(an_item()) == []


def test_answers_are_judged_by_the_checks_and_none_is_a_failure() -> None:
    assert [result.passed for result in judge(an_item(), [said("yes")])] == [True]
    assert [result.passed for result in judge(an_item(), [said("no")])] == [False]
    assert [result.passed for result in judge(an_item(), [])] == [False]


def test_an_answer_after_the_end_changes_nothing() -> None:
    assert [result.passed for result in judge(an_item(), [said("no"), said("yes")])] == [False]


def test_a_sandbox_is_looked_for_only_where_an_item_runs_something(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise SandboxUnavailable("none here")

    monkeypatch.setattr(inspect_trial, "_sandbox", none)

    require_sandbox([an_item()])
    with pytest.raises(SandboxUnavailable, match="none here"):
        require_sandbox([an_item(), an_item(turns=2)])
    with pytest.raises(SandboxUnavailable, match="none here"):
        judge(an_item(turns=2), [])
