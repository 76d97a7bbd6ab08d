# SPDX-License-Identifier: Apache-2.0
"""Answers as OpenAI's chat and text completions give them: one object, or a stream of chunks."""

import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from node0.errors import EngineUnavailable
from node0.finetune.chat.messages import ToolUseBlock
from node0.finetune.serving.answer_blocks import Piece
from node0.finetune.serving.engines.token_engine import HELD_BACK
from node0.finetune.serving.gateway import Answer
from node0.finetune.serving.protocols.openai_logprobs import chat_logprobs, text_logprobs

Chunk = dict[str, Any]

_KINDS = {"chat": ("chatcmpl", "chat.completion"), "text": ("cmpl", "text_completion")}
_BETWEEN = "\n\n"
"Stands between words before a call and words after it, which are one text here."


@dataclass(frozen=True, slots=True)
class Framing:
    """What every object of one response holds."""

    kind: Literal["chat", "text"]
    model: str
    key: str = field(default_factory=lambda: uuid.uuid4().hex[:24])
    created: int = field(default_factory=lambda: int(time.time()))

    def head(self, *, chunk: bool = False) -> Chunk:
        """The fields that lead."""
        prefix, name = _KINDS[self.kind]
        name = f"{name}.chunk" if chunk and self.kind == "chat" else name
        return {"id": f"{prefix}-{self.key}", "object": name, "created": self.created, "model": self.model}


async def chat_completion(answers: Sequence[Answer], framing: Framing) -> Chunk:
    """All answers, whole."""
    choices = []
    for index, answer in enumerate(answers):
        deltas = _Deltas()
        found = [deltas.of(piece) async for piece in answer.pieces()]
        words = "".join(delta.get("content", "") for delta in found)
        message: Chunk = {"role": "assistant", "content": words or None, "refusal": None}
        calls = [call for delta in found for call in delta.get("tool_calls", ())]
        if calls:
            message["tool_calls"] = [{k: v for k, v in call.items() if k != "index"} for call in calls]
        told = {"logprobs": chat_logprobs(answer, 0)}
        choices.append({**_choice(index, _reason(answer)), **told, "message": message})
    return {**framing.head(), "choices": choices, "usage": usage(answers, n=len(answers))}


async def chat_chunks(
    answers: Sequence[Answer], framing: Framing, *, with_usage: bool
) -> AsyncGenerator[Chunk, None]:
    """All answers, one after the other, as they come."""
    head = framing.head(chunk=True)
    for index, answer in enumerate(answers):
        deltas = _Deltas()
        yield {**head, "choices": [{**_choice(index), "delta": {"role": "assistant", "content": ""}}]}
        sent = 0
        async for piece in answer.pieces():
            told = {"logprobs": chat_logprobs(answer, sent)}
            sent = len(answer.tokens)
            yield {**head, "choices": [{**_choice(index), **told, "delta": deltas.of(piece)}]}
        told = {"logprobs": chat_logprobs(answer, sent)}
        yield {**head, "choices": [{**_choice(index, _reason(answer)), **told, "delta": {}}]}
    if with_usage:
        yield {**head, "choices": [], "usage": usage(answers, n=len(answers))}


async def text_completion(answers: Sequence[Answer], framing: Framing, *, n: int, with_ids: bool) -> Chunk:
    """All continuations, whole."""
    choices = []
    for index, answer in enumerate(answers):
        text = "".join([str(piece) async for piece in answer.pieces()])
        ids = _ids(answer, 0, first=True) if with_ids else {}
        told = {"logprobs": text_logprobs(answer, 0, offset=0)}
        choices.append({**_choice(index, _reason(answer)), **told, "text": text, **ids})
    return {**framing.head(), "choices": choices, "usage": usage(answers, n=n)}


async def text_chunks(
    answers: Sequence[Answer], framing: Framing, *, n: int, with_ids: bool, with_usage: bool
) -> AsyncGenerator[Chunk, None]:
    """All continuations, one after the other, as they come."""
    head = framing.head(chunk=True)
    for index, answer in enumerate(answers):
        sent = written = 0
        async for piece in answer.pieces():
            ids = _ids(answer, sent, first=sent == 0) if with_ids else {}
            told = {"logprobs": text_logprobs(answer, sent, offset=written), **ids}
            sent, written = len(answer.tokens), written + len(str(piece))
            yield {**head, "choices": [{**_choice(index), "text": str(piece), **told}]}
        ids = _ids(answer, sent, first=sent == 0) if with_ids else {}
        told = {"logprobs": text_logprobs(answer, sent, offset=written), **ids}
        yield {**head, "choices": [{**_choice(index, _reason(answer)), "text": "", **told}]}
    if with_usage:
        yield {**head, "choices": [], "usage": usage(answers, n=n)}


def usage(answers: Sequence[Answer], *, n: int) -> Chunk:
    """Tokens of the prompts, each counted once for its `n` answers, and of the answers."""
    read = sum(len(answer.prompt_ids) for answer in answers[::n])
    written = sum(len(answer.tokens) for answer in answers)
    reused = sum(answer.stream.reused for answer in answers[::n])
    counts = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {**counts, "prompt_tokens_details": {"cached_tokens": reused}}


class _Deltas:
    """Numbers calls, and parts words that a call stood between."""

    def __init__(self) -> None:
        self._calls = 0
        self._words = False
        self._after_call = False

    def of(self, piece: Piece) -> Chunk:
        if isinstance(piece, str):
            text = f"{_BETWEEN if self._words and self._after_call else ''}{piece}"
            self._words, self._after_call = True, False
            return {"content": text}
        index, self._calls, self._after_call = self._calls, self._calls + 1, True
        return {"tool_calls": [{"index": index, **_call(piece)}]}


def _call(call: ToolUseBlock) -> Chunk:
    given = json.dumps(call["input"])
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": given}}


def _choice(index: int, reason: str | None = None) -> Chunk:
    return {"index": index, "logprobs": None, "finish_reason": reason}


def _reason(answer: Answer) -> str:
    if answer.ending == "length":
        return "length"
    return "tool_calls" if answer.called and answer.ending == "end" else "stop"


def _ids(answer: Answer, start: int, *, first: bool) -> Chunk:
    """As vLLM gives them."""
    prompt = {"prompt_token_ids": list(answer.prompt_ids)} if first else {}
    ids = [token.id for token in answer.tokens[start:]]
    if HELD_BACK in ids:
        raise EngineUnavailable("the engine tells only the text of some ids; leave return_token_ids out")
    return {"token_ids": ids, **prompt}
