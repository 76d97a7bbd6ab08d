# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from llguidance import LLMatcher

from node0.errors import EngineUnavailable
from node0.finetune.serving.constraint import AnswerForm, Constraint
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest
from node0.finetune.serving.engines.vllm_dialect import VllmDialect
from node0.pipeline.protocol import SamplingParams

REQUEST = GenerationRequest("deacon", (1, 2), 9, (7,), SamplingParams(0.5, 0.9, 0, 3))


def test_a_request_names_ids_and_every_setting_of_the_draw() -> None:
    body = VllmDialect().body(REQUEST)

    assert {key: body[key] for key in ("model", "prompt", "max_tokens", "stop_token_ids", "seed")} == {
        "model": "deacon",
        "prompt": [1, 2],
        "max_tokens": 9,
        "stop_token_ids": [7],
        "seed": 3,
    }
    assert (body["temperature"], body["top_p"], body["top_k"]) == (0.5, 0.9, -1)
    assert body["stream"] and body["return_token_ids"]
    assert "seed" not in VllmDialect().body(GenerationRequest("deacon", (1,), 1))


def test_an_event_brings_ids() -> None:
    event = {"choices": [{"text": "x", "token_ids": [4, 5], "prompt_token_ids": [1, 2]}]}

    assert VllmDialect().tokens(event, REQUEST, 0) == [GeneratedToken(4), GeneratedToken(5)]
    assert VllmDialect().tokens({"choices": []}, REQUEST, 0) == ()


@pytest.mark.parametrize("count", [0, 2])
def test_log_probabilities_come_with_the_ids_that_they_are_of(count: int) -> None:
    asked = replace(REQUEST, logprobs=count)
    told = {
        "token_logprobs": [-2.0],
        "top_logprobs": [{"token_id:4": -2.0, "token_id:7": -0.5, "token_id:9": -1.0}],
    }
    event = {"choices": [{"text": "x", "token_ids": [4], "logprobs": told}]}

    body = VllmDialect().body(asked)
    assert (body["logprobs"], body["return_tokens_as_token_ids"]) == (count, True)
    assert VllmDialect().tokens(event, asked, 0) == [GeneratedToken(4, -2.0, ((7, -0.5), (9, -1.0))[:count])]
    with pytest.raises(EngineUnavailable, match="no log probability"):
        VllmDialect().tokens({"choices": [{"text": "x", "token_ids": [4]}]}, asked, 0)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"choices": [{"text": "x", "token_ids": [4], "prompt_token_ids": [0, 1, 2]}]}, "other ids"),
        ({"choices": [{"text": "words"}]}, "no token_ids"),
    ],
)
def test_an_engine_that_does_not_keep_to_ids_is_refused(event: dict[str, object], message: str) -> None:
    with pytest.raises(EngineUnavailable, match=message):
        VllmDialect().tokens(event, REQUEST, 0)


def test_an_answer_of_a_form_is_bound_by_a_grammar_that_one_library_alone_reads() -> None:
    async def ask(body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AssertionError(body)

    form = AnswerForm(Constraint(tools=(("Bash", {"type": "object"}),), forced=True), "tagged")
    bound = asyncio.run(VllmDialect().binding(form, REQUEST, ask))

    (given,) = bound["structured_outputs"].values()
    assert list(bound["structured_outputs"]) == ["grammar"] and given.startswith(
        "%llguidance {}\nstart: calls\n"
    )
    assert not LLMatcher.validate_grammar(given, None)
