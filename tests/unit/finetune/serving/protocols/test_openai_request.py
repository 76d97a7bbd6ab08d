# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from pydantic import ValidationError
from tiny_chat import BASH, user

from node0.finetune.serving.constraint import Constraint
from node0.finetune.serving.protocols.api_errors import RequestRefused
from node0.finetune.serving.protocols.openai_request import ChatBody, CompletionBody

FUNCTION = {
    "type": "function",
    "function": {"name": "Bash", "description": "Run.", "parameters": BASH["input_schema"]},
}


def chat(*messages: dict[str, Any], **values: Any) -> ChatBody:
    return ChatBody.model_validate({"model": "m", "messages": list(messages or [user("x")]), **values})


def completion(prompt: Any, **values: Any) -> CompletionBody:
    return CompletionBody.model_validate({"model": "m", "prompt": prompt, **values})


def call(key: str, command: str) -> dict[str, Any]:
    arguments = f'{{"command":"{command}"}}'
    return {"id": key, "type": "function", "function": {"name": "Bash", "arguments": arguments}}


def test_leading_system_turns_are_the_system_prompt_and_later_ones_stay_in_place() -> None:
    request = chat(
        {"role": "system", "content": "A."},
        {"role": "developer", "content": [{"type": "text", "text": "B."}]},
        user("x"),
        {"role": "developer", "content": "C."},
    ).request()

    assert request["system"] == "A.\n\nB."
    assert [message["role"] for message in request["messages"]] == ["user", "system"]


def test_results_of_calls_made_together_are_one_user_turn() -> None:
    request = chat(
        user("x"),
        {"role": "assistant", "content": None, "tool_calls": [call("1", "ls"), call("2", "pwd")]},
        {"role": "tool", "tool_call_id": "1", "content": "a"},
        {"role": "tool", "tool_call_id": "2", "content": "b"},
        tools=[FUNCTION],
    ).request()

    _, said, heard = request["messages"]
    assert [block["input"] for block in said["content"]] == [{"command": "ls"}, {"command": "pwd"}]  # type: ignore[typeddict-item,index]  # calls
    assert [block["tool_use_id"] for block in heard["content"]] == ["1", "2"]  # type: ignore[typeddict-item,index]  # results
    assert request["tools"] == [BASH | {"description": "Run."}]


def test_images_become_placeholders() -> None:
    parts = [{"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    (message,) = chat({"role": "user", "content": parts}).request()["messages"]

    assert [block.get("text") for block in message["content"]] == ["See.", "[image]"]  # type: ignore[union-attr]  # blocks


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"role": "tool", "content": "x"}, "tool_call_id"),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "tool_calls"),
        ({"role": "assistant", "tool_calls": [call("1", '"')]}, "tool_calls"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "content"),
    ],
)
def test_a_turn_that_cannot_be_read_is_refused_by_its_place(message: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        chat(user("x"), message).request()

    assert caught.value.param == f"messages.1.{place}"


@pytest.mark.parametrize(
    "asked",
    [
        {"best_of": 2},
        {"logit_bias": {"1": 5}},
        {"presence_penalty": 0.5},
        {"functions": [{"name": "f"}]},
        {"repetition_penalty": 1.2},
        {"repeat_penalty": 1.1},
        {"min_p": 0.05},
        {"min_tokens": 3},
        {"guided_json": {"type": "object"}},
        {"guided_choice": ["a", "b"]},
        {"structured_outputs": {"regex": "a"}},
        {"grammar": 'root ::= "a"'},
        {"json_schema": {"type": "object"}},
    ],
    ids=str,
)
def test_what_would_be_answered_otherwise_than_asked_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as caught:
        chat(**asked).check()

    assert caught.value.param == next(iter(asked))


def test_what_is_switched_off_may_be_named() -> None:
    chat(logprobs=False, response_format={"type": "text"}, presence_penalty=0, logit_bias={}).check()
    chat(
        repetition_penalty=1.0, repeat_penalty=1, min_p=0.0, min_tokens=0, grammar="", guided_json=None
    ).check()
    completion("x", echo=False, best_of=1, logprobs=None, response_format={"type": "text"}).check()


def test_a_form_is_for_chats_alone() -> None:
    form = {"type": "json_object"}
    chat(response_format=form).check()

    with pytest.raises(RequestRefused) as caught:
        completion("x", response_format=form).check()

    assert caught.value.param == "response_format"


def test_log_probabilities_are_asked_for_in_two_ways() -> None:
    assert chat().drawing().logprobs is None
    assert chat(logprobs=True).drawing().logprobs == 0
    assert chat(logprobs=True, top_logprobs=5).drawing().logprobs == 5
    assert completion("x", logprobs=3).drawing().logprobs == 3
    with pytest.raises(RequestRefused, match="needs logprobs"):
        chat(top_logprobs=5).drawing()


def test_what_the_answer_must_look_like_is_part_of_the_draw() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    given = chat(tools=[tool], tool_choice="required", parallel_tool_calls=False)

    assert given.drawing().constraint == Constraint(tools=(("f", {}),), forced=True, one_call=True)
    assert chat(tools=[tool], tool_choice="none").drawing().constraint == Constraint()


def test_what_is_null_is_left_open() -> None:
    given = chat(n=None, stream=None, tools=None, stop=None, temperature=None, logprobs=None)

    given.check()
    assert (given.n, given.stream, given.offers_tools, given.drawing().temperature) == (1, False, False, 1.0)


def test_either_name_of_the_longest_answer_is_read() -> None:
    assert chat(max_tokens=5).drawing().max_tokens == 5
    assert chat(max_tokens=5, max_completion_tokens=7).drawing().max_tokens == 7
    assert chat(stop="END", seed=3).drawing().stop == ("END",)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [("a", ["a"]), ([1, 2], [[1, 2]]), (["a", "b"], ["a", "b"]), ([[1], [2]], [[1], [2]])],
)
def test_a_prompt_is_a_text_or_ids_or_several(prompt: Any, found: list[Any]) -> None:
    assert completion(prompt).prompts() == found


@pytest.mark.parametrize("prompt", [[], ["a"] * 17])
def test_no_prompt_and_too_many_are_refused(prompt: Any) -> None:
    with pytest.raises(RequestRefused):
        completion(prompt).prompts()


@pytest.mark.parametrize(
    "wrong", [{"max_tokens": -1}, {"n": 0}, {"n": 99}, {"seed": "x"}, {"prompt": [True]}], ids=str
)
def test_values_of_wrong_types_or_ranges_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        completion(**{"prompt": "x", **wrong})
