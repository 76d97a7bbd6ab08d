# SPDX-License-Identifier: Apache-2.0
"""Probe what a chat template takes, and whether it rewrites earlier turns."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from typing import Any

from jinja2.exceptions import TemplateError

from node0.errors import ConfigError
from node0.finetune.chat.conversation import Turn, short_id, to_conversation
from node0.finetune.chat.messages import Message, Tool
from node0.finetune.chat.traits import Traits

Render = Callable[[Sequence[Turn], list[dict[str, Any]] | None, bool], str]
"Turns, tools and whether to add the generation prompt -> text."

_REFUSALS = (TemplateError, TypeError, ValueError, KeyError, AttributeError, IndexError)
_USER: Turn = {"role": "user", "content": "probe-one"}
_ANSWER: Turn = {"role": "assistant", "content": "probe-two"}
_SYSTEM: Turn = {"role": "system", "content": "probe-three"}
_USER_AGAIN: Turn = {"role": "user", "content": "probe-four"}
_ANSWER_AGAIN: Turn = {"role": "assistant", "content": "probe-five"}
_RESULT: Turn = {
    "role": "tool",
    "content": "probe-six",
    "tool_call_id": short_id("probe"),
    "name": "ProbeTool",
}
_CALL: Turn = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": short_id("probe"),
            "type": "function",
            "function": {"name": "ProbeTool", "arguments": {"path": "probe-seven"}},
        }
    ],
}
_TOOL: Tool = {
    "name": "ProbeTool",
    "description": "Probe.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
_FUNCTION = {
    "type": "function",
    "function": {"name": "ProbeTool", "description": "Probe.", "parameters": _TOOL["input_schema"]},
}


def probe(render: Render, specials: Sequence[str]) -> Traits:
    """What the template behind `render` takes.

    Raises:
        ConfigError: It cannot even render a user turn and an answer.
    """
    if not _shows(render, [_USER, _ANSWER]):
        raise ConfigError(
            "the tokenizer's chat template cannot render a user turn and an answer: remove it from the "
            "tokenizer to use the shipped one"
        )
    tools = _takes_tools(render)
    traits = Traits(
        tools=tools,
        parallel_calls=tools and _takes_two_calls(render),
        system=_shows(render, [_SYSTEM, _USER, _ANSWER]),
        middle_system=_shows(render, [_USER, _ANSWER, _SYSTEM, _USER_AGAIN, _ANSWER_AGAIN]),
        user_runs=_shows(render, [_USER, _USER_AGAIN, _ANSWER]),
        user_after_tool=tools
        and _shows(render, [_USER, _CALL, _RESULT, _USER_AGAIN, _ANSWER], tools=[_FUNCTION]),
        assistant_first=_shows(render, [_ANSWER, _USER, _ANSWER_AGAIN]),
        assistant_runs=_shows(render, [_USER, _ANSWER, _ANSWER_AGAIN])
        and _trainable(render, [_USER, _ANSWER], None, _ANSWER_AGAIN),
    )
    traits = replace(traits, prefix_preserving=_preserves_prefixes(render, traits))
    if not (traits.prefix_preserving or _answers_are_trainable(render, traits)):
        raise ConfigError(
            "the tokenizer's chat template rewrites a request when its answer is added, so nothing can be "
            "trained with it: remove it from the tokenizer to use the shipped one"
        )
    return replace(traits, generation_prompt=_generation_prompt(render, specials), end=_end(render, specials))


def answer_after(prompt: str, history: str, full: str, *, end: str) -> str:
    """The answer's text in `full`, through its end token, such that prompt + answer can be trained.

    `prompt` and `history` are renderings up to the answer with and without the generation prompt. A
    prompt may hold more than `full` does there, such as an opened reasoning block.

    Raises:
        TemplateError: The template rewrites the request when the answer is added.
    """
    if full.startswith(prompt):
        answer = full[len(prompt) :]
    elif full.startswith(history) and prompt.startswith(history):
        added, opening = full[len(history) :], prompt[len(history) :]
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(added, opening, strict=False))
        answer = added[len(list(shared)) :]
    else:
        raise TemplateError("the chat template rewrites a request when its answer is added")
    return answer[: answer.index(end) + len(end)] if end and end in answer else answer


def _shows(render: Render, turns: list[Turn], *, tools: list[dict[str, Any]] | None = None) -> bool:
    """Whether the template renders all these words, in order."""
    try:
        text = render(turns, tools, False)
        render(turns[:-1] if turns[-1]["role"] == "assistant" else turns, tools, True)
    except _REFUSALS:
        return False
    places = [text.find(_word(turn)) for turn in turns]
    return min(places) >= 0 and all(before < after for before, after in pairwise(places))


def _word(turn: Turn) -> str:
    calls = turn.get("tool_calls")
    return str(calls[0]["function"]["arguments"]["path"] if calls else turn["content"])


def _takes_tools(render: Render) -> bool:
    turns = [_USER, _CALL, _RESULT, _ANSWER]
    try:
        listed = "ProbeTool" in render([_USER], [_FUNCTION], True)
    except _REFUSALS:
        return False
    return listed and _shows(render, turns, tools=[_FUNCTION])


def _takes_two_calls(render: Render) -> bool:
    both: Turn = {**_CALL, "tool_calls": _CALL["tool_calls"] * 2}
    try:
        return render([_USER, both], [_FUNCTION], False).count("probe-seven") == 2
    except _REFUSALS:
        return False


_CONVERSATION: list[Message] = [
    {"role": "user", "content": "probe-one"},
    {"role": "assistant", "content": "probe-two"},
    {"role": "system", "content": "probe-three"},
    {"role": "user", "content": "probe-four"},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "probe", "name": "ProbeTool", "input": {"path": "probe-seven"}}
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "probe", "content": "probe-six"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "probe-eight"},
            {"type": "tool_use", "id": "probe-2", "name": "ProbeTool", "input": {"path": "probe-nine"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "probe-2", "content": "probe-ten"}]},
    {"role": "assistant", "content": "probe-five"},
    {"role": "user", "content": "probe-eleven"},
    {"role": "assistant", "content": "probe-twelve"},
]


def _answers_are_trainable(render: Render, traits: Traits) -> bool:
    whole = to_conversation("probe-system", [_TOOL], _CONVERSATION, traits, escape=str, prompt=False)
    return all(
        _trainable(render, whole.turns[:place], whole.tools, whole.turns[place])
        for place in whole.answers.values()
    )


def _trainable(render: Render, turns: list[Turn], tools: list[dict[str, Any]] | None, answer: Turn) -> bool:
    try:
        full = render([*turns, answer], tools, False)
        answer_after(render(turns, tools, True), render(turns, tools, False), full, end="")
    except _REFUSALS:
        return False
    return True


def _preserves_prefixes(render: Render, traits: Traits) -> bool:
    whole = to_conversation("probe-system", [_TOOL], _CONVERSATION, traits, escape=str, prompt=False)
    text = render(whole.turns, whole.tools, False)
    for place in whole.answers.values():
        prompt = render(whole.turns[:place], whole.tools, True)
        answered = render(whole.turns[: place + 1], whole.tools, False)
        if not (answered.startswith(prompt) and text.startswith(answered)):
            return False
    return True


def _generation_prompt(render: Render, specials: Sequence[str]) -> str:
    found = set()
    for turns in ([_USER], [_USER, _ANSWER, _USER_AGAIN]):
        history, prompt = render(turns, None, False), render(turns, None, True)
        found.add(prompt[len(history) :] if prompt.startswith(history) else "")
    text = found.pop()
    return text if not found and any(special in text for special in specials) else ""


def _end(render: Render, specials: Sequence[str]) -> str:
    """The first special token after an answer's words."""
    text = render([_USER, _ANSWER], None, False)
    tail = text[text.index(_ANSWER["content"]) + len(_ANSWER["content"]) :]
    found = [(tail.index(special), -len(special), special) for special in specials if special in tail]
    return min(found)[2] if found else ""
