# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from eval_items import an_item
from pydantic import ValidationError

from node0.finetune.eval.suite.item import Turn


def test_a_request_has_the_roles_card_the_tools_and_the_prompt() -> None:
    request = an_item(role="polecat", tools=["Bash", "Read"]).request()

    assert request["system"].startswith("You are a polecat")
    assert [tool["name"] for tool in request["tools"]] == ["Bash", "Read"]
    assert request["messages"] == [{"role": "user", "content": "Say yes."}]


def test_a_reference_turn_becomes_words_and_calls_in_order() -> None:
    turn = Turn.model_validate(
        {
            "say": "so",
            "bash": ["true"],
            "write": [{"path": "a", "text": "b"}],
            "edit": [{"path": "a", "old": "b", "new": "c"}],
        }
    )

    kinds = [block["name"] if block["type"] == "tool_use" else block["type"] for block in turn.blocks()]
    assert kinds == ["text", "Bash", "Write", "Edit"]
    assert [block["id"] for block in turn.blocks() if block["type"] == "tool_use"] == [
        "call_0",
        "call_1",
        "call_2",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "Not An Id"},
        {"category": "cooking"},
        {"role": "Mayor!"},
        {"difficulty": "impossible"},
        {"tags": []},
        {"prompt": ""},
        {"checks": []},
        {"checks": [{"check": "unheard-of"}]},
        {"checks": [{"check": "says", "every": ["x"]}]},
        {"reference": []},
        {"reference": [{"say": "a"}, {"say": "b"}]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_an_item_that_is_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        an_item(**wrong)


def test_an_item_runs_something_where_a_check_or_a_loop_needs_it() -> None:
    assert not an_item().runs
    assert an_item(turns=3).runs


def test_a_question_ends_with_actions_files_and_form() -> None:
    item = an_item(actions=["a", "b"], show=True, form="decision", setup={"files": {"x.py": "x = 1\n"}})

    parts = item.question.split("\n\n")
    assert parts[0] == "Say yes."
    assert parts[1] == "Allowed actions: a, b."
    assert parts[2] == "x.py:\n```\nx = 1\n```"
    assert parts[3].startswith("Answer with one JSON object")


def test_an_object_is_said_as_json() -> None:
    assert Turn.model_validate({"object": {"a": 1}}).blocks() == [{"type": "text", "text": '{"a": 1}'}]
