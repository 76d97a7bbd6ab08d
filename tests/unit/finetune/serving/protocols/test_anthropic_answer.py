# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
from typing import Any

from serving_parts import END, ScriptedStream, decode, encode

from node0.finetune.inference.text import TextStream
from node0.finetune.serving.answer_blocks import AnswerBlocks
from node0.finetune.serving.gateway import Answer
from node0.finetune.serving.protocols.anthropic_answer import events, message

TWO = "".join(f'<tool_call>{{"name":"Bash","arguments":{{"command":"{name}"}}}}</tool_call>' for name in "ab")


def answer(text: str, *, limit: int = 500, stop: tuple[str, ...] = ()) -> Answer:
    stream = ScriptedStream([*encode(text), END], hang=False, error=None)
    texts = TextStream(decode, stop)
    return Answer((1, 2, 3), limit, frozenset([END]), stream, texts, AnswerBlocks())


def whole(given: Answer) -> dict[str, Any]:
    return asyncio.run(message(given, "m"))


def streamed(given: Answer) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        return [event async for event in events(given, "m")]

    return asyncio.run(run())


def test_a_message_holds_words_then_calls() -> None:
    told = whole(answer(f"I look.{TWO}"))

    assert [block["type"] for block in told["content"]] == ["text", "tool_use", "tool_use"]
    assert told["content"][0]["text"] == "I look."
    assert (told["stop_reason"], told["model"], told["role"]) == ("tool_use", "m", "assistant")
    assert told["usage"]["input_tokens"] == 3
    assert told["usage"]["output_tokens"] == len(encode(f"I look.{TWO}"))


def test_the_reason_of_the_end_is_told() -> None:
    assert whole(answer("Well."))["stop_reason"] == "end_turn"
    assert whole(answer("Well.", limit=2))["stop_reason"] == "max_tokens"
    stopped = whole(answer("one STOP", stop=("STOP",)))
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "STOP")


def test_events_number_blocks_from_zero_and_close_each_before_the_next() -> None:
    told = [event for event in streamed(answer(f"I look.{TWO}")) if "index" in event]
    order = [(event["type"].removeprefix("content_block_"), event["index"]) for event in told]

    assert [pair for pair in order if pair[0] != "delta"] == [
        (kind, index) for index in range(3) for kind in ("start", "stop")
    ]
    assert order == sorted(order, key=lambda pair: pair[1])


def test_the_deltas_of_a_stream_make_the_whole_message() -> None:
    told, blocks = streamed(answer(f"I look.{TWO}")), {}
    for event in told:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "said": ""}
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            blocks[event["index"]]["said"] += delta.get("text", delta.get("partial_json"))

    assert blocks[0]["said"] == "I look."
    assert [json.loads(blocks[index]["said"])["command"] for index in (1, 2)] == ["a", "b"]
    assert [event["type"] for event in (told[0], *told[-2:])] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert told[-2]["delta"]["stop_reason"] == "tool_use"


def test_reused_ids_are_counted_apart() -> None:
    given = answer("a")
    given.stream.reused = 2

    told = whole(given)["usage"]

    assert (told["input_tokens"], told["cache_read_input_tokens"]) == (1, 2)


def test_an_answer_without_a_word_has_no_blocks() -> None:
    assert whole(answer(""))["content"] == []
    assert not [event for event in streamed(answer("")) if "index" in event]
