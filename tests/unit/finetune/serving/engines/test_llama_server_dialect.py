# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect
from node0.finetune.serving.engines.token_engine import HELD_BACK, GeneratedToken, GenerationRequest
from node0.pipeline.protocol import SamplingParams

REQUEST = GenerationRequest("deacon", (1, 2), 9, (7,), SamplingParams(0, 1.0, 0, 1 << 40))


def test_a_request_switches_off_the_samplers_that_the_engine_has_on_by_itself() -> None:
    body = LlamaServerDialect().body(REQUEST)

    assert (body["prompt"], body["n_predict"], body["return_tokens"]) == ([1, 2], 9, True)
    assert (body["top_k"], body["top_p"], body["min_p"], body["repeat_penalty"]) == (0, 1.0, 0.0, 1.0)
    assert 0 <= body["seed"] < 1 << 32


def test_an_event_brings_ids_and_the_last_one_none() -> None:
    dialect = LlamaServerDialect()

    assert dialect.tokens({"content": "x", "tokens": [4], "stop": False}, REQUEST, 0) == [GeneratedToken(4)]
    assert (
        dialect.tokens({"content": "", "tokens": [], "stop": True, "tokens_evaluated": 2}, REQUEST, 0) == []
    )


def test_ids_within_a_character_are_counted_and_told_as_its_text() -> None:
    event = {"content": "ö", "tokens": [5], "stop": False, "tokens_predicted": 4}

    assert LlamaServerDialect().tokens(event, REQUEST, 2) == [
        GeneratedToken(HELD_BACK),
        GeneratedToken(5, text="ö"),
    ]
    assert LlamaServerDialect().tokens(event, REQUEST, 3) == [GeneratedToken(5)]
    last = {"tokens": [], "stop": True, "stop_type": "limit", "tokens_predicted": 9}
    assert LlamaServerDialect().tokens(last, REQUEST, 7) == [GeneratedToken(HELD_BACK)] * 2
    assert LlamaServerDialect().tokens({**last, "stop_type": "eos"}, REQUEST, 7) == []
    with pytest.raises(EngineUnavailable, match="leave logprobs out"):
        LlamaServerDialect().tokens(event, replace(REQUEST, logprobs=0), 2)


@pytest.mark.parametrize(("count", "n_probs"), [(0, 1), (2, 2)])
def test_log_probabilities_come_with_the_ids_that_they_are_of(count: int, n_probs: int) -> None:
    asked = replace(REQUEST, logprobs=count)
    told = {
        "id": 4,
        "logprob": -1.0,
        "top_logprobs": [{"id": 9, "logprob": -0.5}, {"id": 4, "logprob": -1.0}],
    }
    event = {"content": "x", "tokens": [4], "completion_probabilities": [told]}

    assert LlamaServerDialect().body(asked)["n_probs"] == n_probs
    assert LlamaServerDialect().tokens(event, asked, 0) == [
        GeneratedToken(4, -1.0, ((9, -0.5), (4, -1.0))[:count])
    ]
    with pytest.raises(EngineUnavailable, match="no log probability"):
        LlamaServerDialect().tokens({"content": "x", "tokens": [4]}, asked, 0)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"stop": True, "tokens_evaluated": 3}, "read 3 ids of the 2"),
        ({"content": "words"}, "sends no tokens"),
    ],
)
def test_an_engine_that_does_not_keep_to_ids_is_refused(event: dict[str, object], message: str) -> None:
    with pytest.raises(EngineUnavailable, match=message):
        LlamaServerDialect().tokens(event, REQUEST, 0)
