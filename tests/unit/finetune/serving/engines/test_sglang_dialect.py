# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.serving.constraint import AnswerForm, Constraint
from node0.finetune.serving.engines.sglang_dialect import SglangDialect
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest
from node0.pipeline.protocol import SamplingParams

REQUEST = GenerationRequest("base", (1, 2), 9, (7,), SamplingParams(0.5, 0.9, 0, 3))


def event(ids: list[int], count: int, read: int = 2) -> dict[str, object]:
    return {
        "text": None,
        "output_ids": ids,
        "meta_info": {"prompt_tokens": read, "completion_tokens": count},
    }


def test_a_request_names_ids_and_every_setting_of_the_draw() -> None:
    body = SglangDialect().body(REQUEST)

    assert (body["input_ids"], body["stream"]) == ([1, 2], True)
    assert body["sampling_params"] == {
        "max_new_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "stop_token_ids": [7],
        "sampling_seed": 3,
    }
    assert "sampling_seed" not in SglangDialect().body(GenerationRequest("base", (1,), 1))["sampling_params"]


@pytest.mark.parametrize(("model", "adapter"), [("base", None), ("base:deacon", "deacon")])
def test_an_adapter_is_named_after_its_base(model: str, adapter: str | None) -> None:
    assert SglangDialect().body(GenerationRequest(model, (1,), 1)).get("lora_path") == adapter


@pytest.mark.parametrize(
    "events",
    [
        [event([4], 1), event([4, 5, 6], 3), event([4, 5, 6, 7], 4)],
        [event([4], 1), event([5, 6], 3), event([7], 4)],
        [event([4, 5], 1), event([4, 5, 6], 2), event([4, 5, 6, 7], 4), event([4, 5, 6, 7], 4)],
        [event([], 0), event([4, 5, 6, 7], 4)],
    ],
    ids=["all", "new", "ahead", "late"],
)
def test_events_bring_each_id_once(events: list[dict[str, object]]) -> None:
    seen: list[int] = []
    for one in events:
        seen += [token.id for token in SglangDialect().tokens(one, REQUEST, len(seen))]

    assert seen == [4, 5, 6, 7]


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("count", [0, 2])
def test_log_probabilities_come_with_the_ids_that_they_are_of(count: int, incremental: bool) -> None:
    asked = replace(REQUEST, logprobs=count)
    own = [[-2.0, 4, None], [-0.5, 5, None]]
    tops = [[[-0.5, 7, None], [-1.0, 9, None]], [[-0.5, 5, None], [-3.0, 9, None]]]
    seen: list[GeneratedToken] = []
    for number in (1, 2):
        first = number - 1 if incremental else 0
        one = event([4, 5][first:number], number)
        one["meta_info"] |= {  # type: ignore[operator]  # a table
            "output_token_logprobs": own[first:number],
            "output_top_logprobs": tops[first:number] if count else [],
        }
        seen += SglangDialect().tokens(one, asked, len(seen))

    body = SglangDialect().body(asked)
    assert (body["return_logprob"], body["top_logprobs_num"]) == (True, count)
    assert seen == [
        GeneratedToken(4, -2.0, ((7, -0.5), (9, -1.0))[:count]),
        GeneratedToken(5, -0.5, ((5, -0.5), (9, -3.0))[:count]),
    ]
    with pytest.raises(EngineUnavailable, match="no log probability"):
        SglangDialect().tokens(event([4], 1), asked, 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (event([4], 1, read=3), "read 3 ids of the 2"),
        ({"text": "words", "meta_info": {"prompt_tokens": 2}}, "no output_ids"),
        ({"output_ids": [1]}, "no output_ids"),
        (event([6], 5), "counts 5 ids and sent 3"),
    ],
)
def test_an_engine_that_does_not_keep_to_ids_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(EngineUnavailable, match=message):
        SglangDialect().tokens(wrong, REQUEST, 2)


def test_an_answer_of_a_form_is_refused() -> None:
    async def ask(body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AssertionError(body)

    with pytest.raises(ConfigError, match=r"leave out response_format, strict and tool_choice, or serve by"):
        asyncio.run(SglangDialect().binding(AnswerForm(Constraint(schema={}), "bare"), REQUEST, ask))
