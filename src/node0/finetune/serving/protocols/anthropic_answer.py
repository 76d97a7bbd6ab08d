# SPDX-License-Identifier: Apache-2.0
"""Answers as Anthropic's Messages API gives them: one message, or a stream of events."""

import json
import uuid
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from node0.finetune.chat.messages import ToolUseBlock
from node0.finetune.serving.gateway import Answer

Event = dict[str, Any]

_REASONS = {"end": "end_turn", "length": "max_tokens", "stop_string": "stop_sequence"}


async def message(answer: Answer, model: str) -> dict[str, Any]:
    """The whole answer."""
    content: list[dict[str, Any]] = []
    async for piece in answer.pieces():
        if not isinstance(piece, str):
            content.append(dict(piece))
        elif content and content[-1]["type"] == "text":
            content[-1]["text"] += piece
        else:
            content.append({"type": "text", "text": piece})
    return {**_head(answer, model), "content": content, **_ending(answer), "usage": usage(answer)}


async def events(answer: Answer, model: str) -> AsyncGenerator[Event, None]:
    """The answer as events, each with its `type`; blocks are numbered from 0, one open at a time."""
    start = {**_head(answer, model), "content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": {**start, "usage": usage(answer)}}
    yield {"type": "ping"}
    index, in_text = -1, False
    async for piece in answer.pieces():
        if isinstance(piece, str):
            if not in_text:
                index, in_text = index + 1, True
                yield _block_start(index, {"type": "text", "text": ""})
            yield _delta(index, {"type": "text_delta", "text": piece})
            continue
        if in_text:
            yield {"type": "content_block_stop", "index": index}
        index, in_text = index + 1, False
        for event in _call(index, piece):
            yield event
    if in_text:
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": _ending(answer), "usage": usage(answer)}
    yield {"type": "message_stop"}


def usage(answer: Answer) -> dict[str, int]:
    """Tokens so far; those that were reused are not among the `input_tokens`."""
    reused = answer.stream.reused
    return {
        "input_tokens": len(answer.prompt_ids) - reused,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reused,
        "output_tokens": len(answer.tokens),
    }


def _head(answer: Answer, model: str) -> dict[str, Any]:
    del answer
    return {"id": f"msg_{uuid.uuid4().hex[:24]}", "type": "message", "role": "assistant", "model": model}


def _ending(answer: Answer) -> dict[str, Any]:
    reason = "tool_use" if answer.called and answer.ending == "end" else _REASONS[answer.ending]
    return {"stop_reason": reason, "stop_sequence": answer.text.stopped_by or None}


def _call(index: int, call: ToolUseBlock) -> Iterator[Event]:
    given = json.dumps(call["input"])
    yield _block_start(index, {**call, "input": {}})
    yield _delta(index, {"type": "input_json_delta", "partial_json": given})
    yield {"type": "content_block_stop", "index": index}


def _block_start(index: int, block: dict[str, Any]) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: dict[str, Any]) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": delta}
