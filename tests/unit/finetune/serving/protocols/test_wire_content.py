# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from tiny_chat import BASH, user

from node0.finetune.serving.protocols.api_errors import RequestRefused
from node0.finetune.serving.protocols.wire_content import to_request, without_nulls

BILLING = "x-anthropic-billing-header: cc_version=2; cch=1f;"


@pytest.mark.parametrize(
    "system",
    [
        f"{BILLING}\nYou patrol.\n\nWell.",
        [{"type": "text", "text": text} for text in (BILLING, "You patrol.", "Well.")],
        [{"type": "text", "text": text} for text in (f"{BILLING}\nYou patrol.", "Well.")],
        [{"type": "text", "text": text} for text in ("You patrol.", f"{BILLING}\n\nWell.")],
    ],
    ids=["text", "blocks", "one-block", "second-block"],
)
def test_the_system_prompt_is_one_text_without_the_billing_line(system: Any) -> None:
    assert to_request(system, [], [user("x")])["system"] == "You patrol.\n\nWell."


def test_images_show_as_placeholders_and_thoughts_not_at_all() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "aaaa"}}
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "See."}, image]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image]}]},
    ]

    first, second = to_request("", [], turns)["messages"]

    assert [block.get("text") for block in first["content"]] == ["See.", "[image]"]  # type: ignore[union-attr]  # blocks
    assert second["content"][0]["content"] == [{"type": "text", "text": "[image]"}]  # type: ignore[index,typeddict-item]  # a result


def test_keys_that_are_null_go_and_others_stay() -> None:
    assert without_nulls({"a": None, "b": 0, "c": [None]}) == {"b": 0, "c": [None]}
    assert without_nulls([None]) == [None]


def test_tools_are_name_description_and_schema() -> None:
    marked = {**BASH, "cache_control": {"type": "ephemeral"}, "eager_input_streaming": True}
    bare = {"type": "web_search_20250305", "name": "web_search"}

    tools = to_request("", [marked, bare], [user("x")])["tools"]

    assert tools[0] == BASH
    assert tools[1]["description"] == "" and tools[1]["input_schema"]["type"] == "object"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ([{"text": "no type"}], "messages.0.content.0"),
        ([{"type": "text", "text": 3}], "messages.0.content.0.text"),
        ([{"type": "tool_use", "id": "t", "name": "Bash"}], "input"),
        ([{"type": "tool_result", "tool_use_id": "t", "content": ["x"]}], "messages.0.content.0.content.0"),
    ],
)
def test_a_block_without_what_its_kind_holds_is_refused_by_its_place(content: Any, place: str) -> None:
    with pytest.raises(RequestRefused, match=place.replace(".", r"\.")):
        to_request("", [], [{"role": "user", "content": content}])
