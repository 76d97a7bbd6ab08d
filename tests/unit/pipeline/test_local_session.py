# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import pytest
import torch

from node0.errors import ConfigError
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import DecodingSession, Microbatch, SamplingParams, TrainStep

MakePipeline = Callable[..., LocalPipeline]

PROMPT = [3, 14, 15, 9, 2, 6]
GREEDY = SamplingParams(temperature=0.0)


def _generate(session: DecodingSession, prompt: list[int], count: int) -> list[int]:
    ids = [session.extend(prompt)]
    while len(ids) < count:
        ids.append(session.extend(ids[-1:]))
    return ids


def _greedy_without_cache(pipeline: LocalPipeline, prompt: list[int], count: int) -> list[int]:
    stage, ids = pipeline.stages[0], list(prompt)
    stage.eval()
    for _ in range(count):
        with torch.no_grad():
            logits = stage(torch.tensor([ids]))
        ids.append(int(logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("num_stages", [1, 3])
@pytest.mark.parametrize("length", [1, 6])
def test_greedy_ids_equal_those_without_a_cache(
    make_pipeline: MakePipeline, num_stages: int, length: int
) -> None:
    expected = _greedy_without_cache(make_pipeline(1), PROMPT[:length], 24)

    with_cache = _generate(make_pipeline(num_stages).session(GREEDY, max_length=40), PROMPT[:length], 24)

    assert with_cache == expected
    assert len(set(expected)) > 3, "the answer must not be one repeated token"


@pytest.mark.parametrize("num_stages", [1, 3])
def test_scores_are_those_that_the_next_id_is_drawn_from(
    make_pipeline: MakePipeline, num_stages: int
) -> None:
    pipeline = make_pipeline(num_stages)
    scored, drawn = (pipeline.session(GREEDY, max_length=8) for _ in range(2))

    scores = scored.scores(PROMPT)

    assert scores.dim() == 1 and len(scored) == len(PROMPT)
    assert int(scores.argmax()) == drawn.extend(PROMPT)
    assert int(scored.scores((4,)).argmax()) == drawn.extend((4,))
    with pytest.raises(ConfigError, match="give at least one id"):
        scored.scores(())


@pytest.mark.parametrize("num_stages", [1, 3])
def test_a_seed_repeats_its_draws_and_another_does_not(make_pipeline: MakePipeline, num_stages: int) -> None:
    pipeline = make_pipeline(num_stages)

    def draw(seed: int | None) -> list[int]:
        return _generate(pipeline.session(SamplingParams(seed=seed), max_length=40), PROMPT, 24)

    assert draw(1) == draw(1)
    assert len({tuple(draw(seed)) for seed in (1, 2, None, None)}) == 4


def test_sessions_do_not_disturb_each_other(make_pipeline: MakePipeline) -> None:
    pipeline, params = make_pipeline(2), SamplingParams(seed=4)
    alone = _generate(pipeline.session(params, max_length=40), PROMPT, 12)
    sessions = [pipeline.session(params, max_length=40), pipeline.session(GREEDY, max_length=40)]

    ids = [[session.extend(PROMPT)] for session in sessions]
    for _ in range(11):
        for session, own in zip(sessions, ids, strict=True):
            own.append(session.extend(own[-1:]))

    assert ids[0] == alone


@pytest.mark.parametrize("params", [GREEDY, SamplingParams(seed=9)])
def test_a_rollback_repeats_what_came_after(make_pipeline: MakePipeline, params: SamplingParams) -> None:
    session = make_pipeline(3).session(params, max_length=40)
    first = _generate(session, PROMPT, 10)

    session.rollback(len(PROMPT) + 3)
    again = session.extend(first[3:4])

    assert len(session) == len(PROMPT) + 4
    assert again == first[4]


def test_several_ids_at_once_equal_one_at_a_time(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(2)
    one = pipeline.session(GREEDY, max_length=40)
    for token in PROMPT:
        by_one = one.extend([token])
    several = pipeline.session(GREEDY, max_length=40)
    several.extend(PROMPT[:2])

    assert several.extend(PROMPT[2:]) == by_one


def test_a_session_refuses_to_outgrow_its_length_and_can_go_on(make_pipeline: MakePipeline) -> None:
    session = make_pipeline(2).session(GREEDY, max_length=8)
    token = session.extend(PROMPT)

    with pytest.raises(ConfigError, match="9 tokens does not fit this session's 8"):
        session.extend([1, 2, 3])

    assert len(session) == 6
    assert isinstance(session.extend([token]), int)


def test_a_closed_session_says_so(make_pipeline: MakePipeline) -> None:
    session = make_pipeline(1).session(GREEDY, max_length=8)
    with pytest.raises(ConfigError, match="at least one id"):
        session.extend([])
    session.close()

    with pytest.raises(ConfigError, match="session is closed"):
        session.extend([1])


def test_generating_between_steps_does_not_change_training(
    make_pipeline: MakePipeline, make_microbatch: Callable[..., Microbatch]
) -> None:
    quiet, noisy = make_pipeline(2, dropout=0.1), make_pipeline(2, dropout=0.1)
    results = []
    for pipeline in (quiet, noisy):
        for number in range(2):
            if pipeline is noisy:
                _generate(pipeline.session(GREEDY, max_length=40), PROMPT, 3)
            step = TrainStep(step=number, lr=1e-3)
            results.append(pipeline.train_step([make_microbatch(number)], step))

    assert results[:2] == results[2:]
