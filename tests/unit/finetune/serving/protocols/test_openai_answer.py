# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from serving_parts import END, OnlyCut, ScriptedStream, decode, encode

from node0.errors import EngineUnavailable
from node0.finetune.inference.text import TextStream
from node0.finetune.serving.answer_blocks import AnswerBlocks
from node0.finetune.serving.engines.token_engine import HELD_BACK, GeneratedToken
from node0.finetune.serving.gateway import Answer
from node0.finetune.serving.protocols import openai_answer
from node0.finetune.serving.protocols.openai_answer import Framing

CALL = '<tool_call>{"name":"Bash","arguments":{"command":"ls"}}</tool_call>'
BETWEEN = f"I look.{CALL} then {CALL}"
CHAT, TEXT = Framing("chat", "m"), Framing("text", "m")


def answer(text: str, *, limit: int = 500, calls: bool = True) -> Answer:
    stream = ScriptedStream([*encode(text), END], hang=False, error=None)
    blocks = AnswerBlocks() if calls else None
    return Answer((1, 2, 3), limit, frozenset([END]), stream, TextStream(decode), blocks)


def collected(chunks: AsyncIterator[Any]) -> list[Any]:
    async def run() -> list[Any]:
        return [chunk async for chunk in chunks]

    return asyncio.run(run())


def test_words_around_a_call_are_one_text_and_calls_are_numbered() -> None:
    told = asyncio.run(openai_answer.chat_completion([answer(BETWEEN)], CHAT))
    message = told["choices"][0]["message"]

    assert message["content"] == "I look.\n\nthen"
    assert [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]] == [
        {"command": "ls"}
    ] * 2
    assert told["choices"][0]["finish_reason"] == "tool_calls"


def test_the_chunks_of_a_stream_make_the_whole_message() -> None:
    chunks = collected(openai_answer.chat_chunks([answer(BETWEEN)], CHAT, with_usage=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]

    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == "I look.\n\nthen"
    assert [call["index"] for delta in deltas for call in delta.get("tool_calls", ())] == [0, 1]
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["prompt_tokens"] == 3
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_several_answers_have_an_index_each_and_share_their_prompt_in_the_usage() -> None:
    told = asyncio.run(openai_answer.chat_completion([answer("a"), answer("bc", limit=1)], CHAT))

    assert [choice["finish_reason"] for choice in told["choices"]] == ["stop", "length"]
    assert told["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_reused_ids_are_told() -> None:
    given = answer("a")
    given.stream.reused = 2

    assert openai_answer.usage([given], n=1)["prompt_tokens_details"] == {"cached_tokens": 2}


def test_a_continuation_keeps_its_white_space_and_may_tell_its_ids() -> None:
    told = asyncio.run(
        openai_answer.text_completion([answer(" a {\n", calls=False)], TEXT, n=1, with_ids=True)
    )

    assert told["choices"][0]["text"] == " a {\n"
    assert told["choices"][0]["token_ids"] == encode(" a {\n")
    assert told["choices"][0]["prompt_token_ids"] == [1, 2, 3]
    assert told["object"] == "text_completion"


def test_streamed_ids_are_all_ids_once() -> None:
    given = [answer("añb", calls=False), answer("c", calls=False)]
    chunks = collected(openai_answer.text_chunks(given, TEXT, n=1, with_ids=True, with_usage=True))
    first = [chunk["choices"][0] for chunk in chunks[:-1] if chunk["choices"][0]["index"] == 0]

    assert [token_id for choice in first for token_id in choice["token_ids"]] == encode("añb")
    assert "".join(choice["text"] for choice in first) == "añb"
    assert chunks[-1]["usage"]["prompt_tokens"] == 6


def test_a_piece_costs_no_look_at_all_tokens_before_it() -> None:
    given = answer("abc", calls=False)
    given.tokens = OnlyCut()

    chunks = collected(openai_answer.text_chunks([given], TEXT, n=1, with_ids=True, with_usage=False))

    assert [token_id for chunk in chunks for token_id in chunk["choices"][0]["token_ids"]] == encode("abc")


def test_ids_of_which_only_the_text_is_known_are_not_given_as_ids() -> None:
    given = answer("a")
    given.tokens = [GeneratedToken(HELD_BACK), GeneratedToken(5, text="ö")]

    with pytest.raises(EngineUnavailable, match="leave return_token_ids out"):
        asyncio.run(openai_answer.text_completion([given], TEXT, n=1, with_ids=True))
