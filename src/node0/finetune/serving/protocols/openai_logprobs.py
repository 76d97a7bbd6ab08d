# SPDX-License-Identifier: Apache-2.0
"""Log probabilities as OpenAI's chat and text completions give them."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.finetune.inference.text import BROKEN
from node0.finetune.serving.engines.token_engine import GeneratedToken
from node0.finetune.serving.gateway import Answer

LEAST = -9999.0
"JSON has no minus infinity; OpenAI gives this number."


def chat_logprobs(answer: Answer, start: int) -> Mapping[str, Any] | None:
    """Of the answer's tokens from this one on; None where nothing was asked for."""
    if not _asked(answer):
        return None
    content = [
        {
            **_entry(answer, token.id, token.logprob),
            "top_logprobs": [_entry(answer, other, value) for other, value in token.top],
        }
        for token in answer.tokens[start:]
    ]
    return {"content": content, "refusal": None}


def text_logprobs(answer: Answer, start: int, *, offset: int) -> Mapping[str, Any] | None:
    """The same for a text that begins at `offset`; None where nothing was asked for."""
    if not _asked(answer):
        return None
    tokens = answer.tokens[start:]
    spelled = [answer.text.decode([token.id]) for token in tokens]
    return {
        "tokens": spelled,
        "token_logprobs": [_finite(token.logprob) for token in tokens],
        "top_logprobs": [_by_text(answer, token) for token in tokens],
        "text_offset": _offsets(spelled, offset),
    }


def _asked(answer: Answer) -> bool:
    # All tokens have one or none has; this is looked up at each piece of a stream.
    return any(token.logprob is not None for token in answer.tokens[:1])


def _entry(answer: Answer, token_id: int, value: float | None) -> dict[str, Any]:
    text = answer.text.decode([token_id])
    # A token may be a part of a character, whose bytes its text does not tell.
    return {"token": text, "logprob": _finite(value), "bytes": None if BROKEN in text else [*text.encode()]}


def _by_text(answer: Answer, token: GeneratedToken) -> dict[str, float]:
    found: dict[str, float] = {}
    for other, value in token.top:
        found.setdefault(answer.text.decode([other]), _finite(value))
    return found


def _finite(value: float | None) -> float:
    return LEAST if value is None else max(value, LEAST)


def _offsets(texts: Sequence[str], start: int) -> list[int]:
    found = []
    for text in texts:
        found.append(start)
        start += len(text)
    return found
