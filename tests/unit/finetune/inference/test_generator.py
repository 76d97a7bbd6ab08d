# SPDX-License-Identifier: Apache-2.0
import math
from typing import Any

import pytest

from node0.errors import ConfigError
from node0.finetune.inference.generator import Generator
from node0.pipeline.protocol import SamplingParams

CONTEXT = 16


def _generator(pipeline: Any, **options: object) -> Generator:
    return Generator(pipeline, context=CONTEXT, **options)


def _letters(ids: list[int]) -> str:
    return "".join(chr(ord("a") + index % 26) for index in ids)


def test_ids_come_one_by_one_after_one_pass_over_the_prompt(pipeline: Any) -> None:
    ids = _generator(pipeline).generate([3, 4, 5], max_new_tokens=4)

    assert next(ids) == 6
    assert pipeline.sessions[0].calls == [3]
    assert list(ids) == [7, 8, 9]
    assert pipeline.sessions[0].calls == [3, 1, 1, 1]


def test_a_stop_id_ends_the_answer_and_is_not_part_of_it(pipeline: Any) -> None:
    generator = _generator(pipeline, stop_ids=[6])

    assert list(generator.generate([1])) == [2, 3, 4, 5]
    assert list(generator.generate([1], stop_token_ids=[3])) == [2]


def test_a_stop_string_ends_the_answer_after_the_id_that_completes_it(pipeline: Any) -> None:
    generator = _generator(pipeline, decode=_letters)

    assert list(generator.generate([0], stop_strings=["cde"])) == [1, 2, 3, 4]


def test_the_answer_ends_where_the_context_does(pipeline: Any) -> None:
    ids = list(_generator(pipeline).generate([1, 2], max_new_tokens=512))

    assert len(ids) == CONTEXT - 2
    assert pipeline.sessions[0].max_length == CONTEXT


def test_every_call_has_its_own_sequence_and_closes_it(pipeline: Any) -> None:
    generator = _generator(pipeline)
    list(generator.generate([1], max_new_tokens=2))
    list(generator.generate([1], max_new_tokens=2))

    first, second = pipeline.sessions
    assert first.ids == second.ids == [1, 2]
    assert first.closed and second.closed


def test_closing_the_iterator_closes_the_sequence(pipeline: Any) -> None:
    ids = _generator(pipeline).generate([1])
    next(ids)

    ids.close()

    assert pipeline.sessions[0].closed


def test_sampling_parameters_and_adapter_reach_the_pipeline(pipeline: Any) -> None:
    generator = _generator(pipeline, adapter="deacon")

    list(generator.generate([1], 1, 0.5, 0.8, top_k=7, seed=11))

    assert pipeline.sessions[0].params == SamplingParams(temperature=0.5, top_p=0.8, top_k=7, seed=11)
    assert pipeline.sessions[0].adapter == "deacon"


def test_no_new_tokens_means_no_work(pipeline: Any) -> None:
    assert list(_generator(pipeline).generate([1], max_new_tokens=0)) == []
    assert pipeline.sessions == []


@pytest.mark.parametrize(
    ("prompt", "options", "line"),
    [
        ([], {}, "the prompt is empty"),
        ([1] * CONTEXT, {}, r"the prompt has 16 tokens and the model's context is 16; shorten it"),
        ([1], {"temperature": -1.0}, "temperature -1.0 is not 0 or more"),
        ([1], {"temperature": math.nan}, "temperature nan is not 0 or more"),
        ([1], {"top_p": 0.0}, r"top_p 0.0 is not in \(0, 1\]"),
        ([1], {"top_k": -3}, "top_k -3 is negative"),
        ([1], {"stop_strings": ["x"]}, "stop strings need a tokenizer"),
    ],
)
def test_what_cannot_be_answered_is_refused_at_the_call(
    pipeline: Any, prompt: list[int], options: dict[str, object], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        _generator(pipeline).generate(prompt, **options)
    assert pipeline.sessions == []
