# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import pytest

from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.serving.engines.prefix_reuse import ReusedSession, ReusingPipeline
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import SamplingParams

ARGS = LlamaArguments(hidden_dim=16, n_heads=2, n_kv_heads=1, num_hidden_layers=2, ffn_dim=32, vocab_size=64)
GREEDY = SamplingParams(temperature=0)
PROMPT = (3, 5, 7, 9, 11)


def pipeline() -> LocalPipeline:
    return LocalPipeline([stage.eval() for stage in build_stages(ARGS, 2, seed=3)])


def answer(session: ReusedSession, prompt: Sequence[int], n: int = 4) -> list[int]:
    ids = [session.extend(prompt)]
    while len(ids) < n:
        ids.append(session.extend([ids[-1]]))
    session.close()
    return ids


@pytest.mark.parametrize("params", [GREEDY, SamplingParams(temperature=1.0, seed=9)], ids=["greedy", "seed"])
def test_an_answer_after_another_is_the_answer_alone(params: SamplingParams) -> None:
    prompts = [PROMPT, PROMPT, (*PROMPT, 1, 2), (3, 5, 8), (60, 61), PROMPT]
    alone = [answer(ReusingPipeline(pipeline()).session(params, max_length=16), prompt) for prompt in prompts]
    reusing = ReusingPipeline(pipeline())

    after, reused = [], []
    for prompt in prompts:
        after.append(answer(reusing.session(params, max_length=16), prompt))
        reused.append(reusing.reused)

    assert after == alone
    assert reused == [0, 4, 5, 2, 0, 0]


def test_what_was_answered_is_part_of_what_is_known() -> None:
    reusing = ReusingPipeline(pipeline())
    said = answer(reusing.session(GREEDY, max_length=16), PROMPT)

    answer(reusing.session(GREEDY, max_length=16), (*PROMPT, *said, 1))

    # The last id of an answer is drawn, and not yet computed.
    assert reusing.reused == len(PROMPT) + len(said) - 1


def test_an_answer_that_was_left_halfway_leaves_what_it_computed() -> None:
    reusing = ReusingPipeline(pipeline())
    left = reusing.session(GREEDY, max_length=16)
    left.extend(PROMPT)

    following = reusing.session(GREEDY, max_length=16)
    following.extend((*PROMPT, 1))

    assert following.reused == len(PROMPT)
    with pytest.raises(ConfigError, match="closed"):
        left.extend([1])


def test_a_longer_request_gets_a_longer_cache_and_begins_anew() -> None:
    reusing = ReusingPipeline(pipeline())
    answer(reusing.session(GREEDY, max_length=8), PROMPT, 2)

    answer(reusing.session(GREEDY, max_length=16), PROMPT, 2)
    assert reusing.reused == len(PROMPT) - 1
    answer(reusing.session(GREEDY, max_length=17), PROMPT, 2)
    assert reusing.reused == 0


def test_a_session_keeps_to_its_own_length_however_long_the_kept_cache_is() -> None:
    session = ReusingPipeline(pipeline()).session(GREEDY, max_length=5)
    session.extend(PROMPT)

    with pytest.raises(ConfigError, match="outgrows the session's 5"):
        session.extend([1])
    assert len(session) == 5


def test_a_prompt_in_chunks_is_the_prompt_at_once() -> None:
    at_once = answer(ReusingPipeline(pipeline()).session(GREEDY, max_length=16), PROMPT)

    assert answer(ReusingPipeline(pipeline(), chunk=2).session(GREEDY, max_length=16), PROMPT) == at_once


def test_a_request_that_was_left_ends_between_two_chunks_and_what_was_computed_is_kept() -> None:
    reusing = ReusingPipeline(pipeline(), chunk=2)
    reusing.stopped = lambda: True

    with pytest.raises(EngineUnavailable, match="was left"):
        reusing.session(GREEDY, max_length=16).extend(PROMPT)
    reusing.stopped = lambda: False
    answer(reusing.session(GREEDY, max_length=16), PROMPT)

    assert reusing.reused == 2


def test_closing_frees_the_caches() -> None:
    reusing = ReusingPipeline(pipeline())
    answer(reusing.session(GREEDY, max_length=16), PROMPT)

    reusing.close()
    answer(reusing.session(GREEDY, max_length=16), PROMPT)

    assert reusing.reused == 0


def test_an_adapter_by_request_is_refused() -> None:
    with pytest.raises(ConfigError, match="adapter 'a'"):
        ReusingPipeline(pipeline()).session(GREEDY, max_length=8, adapter="a")
