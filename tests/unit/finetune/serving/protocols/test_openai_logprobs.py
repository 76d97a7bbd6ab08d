# SPDX-License-Identifier: Apache-2.0
import math

from serving_parts import END, OnlyCut, ScriptedStream, decode, encode

from node0.finetune.inference.text import TextStream
from node0.finetune.serving.engines.token_engine import GeneratedToken
from node0.finetune.serving.gateway import Answer
from node0.finetune.serving.protocols.openai_logprobs import LEAST, chat_logprobs, text_logprobs

A, B, HALF = encode("a")[0], encode("b")[0], encode("é")[0]
TOKENS = [
    GeneratedToken(A, -0.5, ((A, -0.5), (B, -1.0))),
    GeneratedToken(HALF, -math.inf, ((B, -0.1), (END, -math.inf))),
]


def answer(tokens: list[GeneratedToken]) -> Answer:
    stream = ScriptedStream([], hang=False, error=None)
    return Answer((1,), 9, frozenset([END]), stream, TextStream(decode), None, tokens=OnlyCut(tokens))


def test_a_chats_tokens_tell_text_bytes_and_the_likeliest() -> None:
    told = chat_logprobs(answer(TOKENS), 0)

    assert told is not None and told["refusal"] is None
    first, second = told["content"]
    assert first == {
        "token": "a",
        "logprob": -0.5,
        "bytes": [97],
        "top_logprobs": [
            {"token": "a", "logprob": -0.5, "bytes": [97]},
            {"token": "b", "logprob": -1.0, "bytes": [98]},
        ],
    }
    assert (second["bytes"], second["logprob"]) == (None, LEAST)
    assert chat_logprobs(answer(TOKENS), 1) == {"content": [second], "refusal": None}


def test_a_texts_tokens_tell_where_they_begin() -> None:
    told = text_logprobs(answer(TOKENS[:1] * 2), 0, offset=7)

    assert told == {
        "tokens": ["a", "a"],
        "token_logprobs": [-0.5, -0.5],
        "top_logprobs": [{"a": -0.5, "b": -1.0}] * 2,
        "text_offset": [7, 8],
    }


def test_nothing_is_told_unless_it_was_asked_for() -> None:
    plain = answer([GeneratedToken(A)])

    assert (chat_logprobs(plain, 0), text_logprobs(plain, 0, offset=0)) == (None, None)
