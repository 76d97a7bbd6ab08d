# SPDX-License-Identifier: Apache-2.0
import random
from pathlib import Path

import pytest
import torch
from batch_parts import (
    ARGS,
    GREEDY,
    VOCAB,
    answers,
    batch_engine,
    greedy_request,
    joined_stages,
    random_ids,
    write_adapter,
)
from tiny_run import make_base

from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.inference.loading import load_runner, load_weights
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.batching.batch_engine import BatchEngine
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.models.base_model import resolve_base
from node0.models.factory import build_stages
from node0.pipeline.batch_runner import BatchRunner
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import SamplingParams

LENGTHS = (3, 31, 32, 33, 64, 100, 200, 411)


def plain_answer(pipeline: LocalPipeline, request: GenerationRequest) -> list[int]:
    """One sequence of its own, one id at a time: no batch, no blocks, no guesses."""
    session = pipeline.session(request.sampling, max_length=2048)
    ids = [session.extend(request.prompt)]
    while len(ids) < request.max_tokens:
        ids.append(session.extend([ids[-1]]))
    return ids


def repeating(seed: int, count: int) -> tuple[int, ...]:
    """A prompt in which phrases come up again."""
    dice = random.Random(seed)
    phrases = [tuple(dice.randrange(VOCAB) for _ in range(6)) for _ in range(4)]
    ids: tuple[int, ...] = ()
    while len(ids) < count:
        ids += dice.choice(phrases)
    return ids[:count]


@pytest.mark.parametrize("seed", range(3))
def test_greedy_ids_are_the_same_alone_in_a_batch_of_eight_and_from_a_plain_pipeline(seed: int) -> None:
    pipeline = LocalPipeline([stage.eval() for stage in build_stages(ARGS, 1, seed=seed)])
    runner = BatchRunner(joined_stages(seed=seed), 400)
    requests = [
        greedy_request(repeating(seed + length, length) if length % 2 else random_ids(length, seed), 30)
        for length in LENGTHS
    ]
    plain = [plain_answer(pipeline, request) for request in requests]

    assert [answers(BatchEngine(runner), [request])[0] for request in requests] == plain
    assert answers(BatchEngine(runner), requests) == plain


def test_small_steps_scarce_blocks_and_known_beginnings_change_no_id() -> None:
    requests = [greedy_request(repeating(length, length), 30) for length in LENGTHS[:6]]
    alone = [answers(batch_engine(), [request])[0] for request in requests]
    scarce, knowing = batch_engine(8), batch_engine()

    assert answers(batch_engine(step_ids=16), requests) == alone
    assert answers(scarce, requests) == alone
    assert scarce.scheduler.preempted > 0
    assert answers(knowing, requests) == answers(knowing, requests) == alone
    assert knowing.counts.reused == sum(LENGTHS[:6]) - 6


def test_guesses_are_taken_only_where_the_model_says_the_same() -> None:
    engine, prompt = batch_engine(), repeating(2, 200)
    request = greedy_request(prompt, 120)
    unguessed = Sequence(request)
    unguessed.lookup = None
    other, expected = batch_engine(), []
    other.add(unguessed)
    while other.busy:
        expected += [token.id for progress in other.step() for token in progress.tokens]

    assert answers(engine, [request]) == [expected]
    assert engine.counts.taken > 0
    assert engine.counts.steps < other.counts.steps == 120


def test_drawn_answers_repeat_by_their_seed_whatever_stands_beside_them() -> None:
    drawn = [
        GenerationRequest("m", random_ids(40, seed), 20, sampling=SamplingParams(1.0, 0.9, 0, seed))
        for seed in range(4)
    ]
    alone = [answers(batch_engine(), [request])[0] for request in drawn]

    assert answers(batch_engine(), [*drawn, greedy_request(random_ids(90), 30)])[:4] == alone
    assert answers(batch_engine(6), drawn) == alone


def test_each_sequence_passes_its_own_adapter_over_one_base(tmp_path: Path) -> None:
    base = make_base(tmp_path, max_seq_len=1024)
    found = resolve_base(base)
    adapters = {name: write_adapter(base, tmp_path / name, seed=seed) for seed, name in enumerate("ab")}
    merged = {
        name: load_weights(
            ModelSource(name or "base", found, (adapters[name],) if name else ()), dtype="float32"
        )
        for name in (None, "a", "b")
    }
    runner = load_runner(ModelSource("base", found), 200, dtype="float32", adapters=adapters)
    names = [None, "a", "b", "a", "b", None, "a", "b"]
    requests = [greedy_request(random_ids(length, length), 25) for length in LENGTHS]
    expected = [plain_answer(merged[name], request) for name, request in zip(names, requests, strict=True)]

    mixed = answers(BatchEngine(runner), requests, names)

    assert mixed == expected
    assert [
        answers(BatchEngine(runner), [request], [name])[0]
        for request, name in zip(requests, names, strict=True)
    ] == mixed
    assert len({tuple(ids) for ids in answers(BatchEngine(runner), requests[:1] * 3, [None, "a", "b"])}) == 3


def test_a_beginning_that_another_adapter_computed_is_not_reused(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    adapters = {name: write_adapter(base, tmp_path / name, seed=seed) for seed, name in enumerate("ab")}
    source = ModelSource("base", resolve_base(base))
    engine = BatchEngine(load_runner(source, 50, dtype="float32", adapters=adapters))
    request = greedy_request(random_ids(100), 2)

    for name, reused in (("a", 0), ("b", 0), ("a", 99), (None, 0)):
        before = engine.counts.reused
        answers(engine, [request], [name])
        assert engine.counts.reused - before == reused


def test_a_long_prompt_that_comes_again_computes_its_end_alone() -> None:
    engine, system = batch_engine(), random_ids(1900)
    answers(engine, [greedy_request([*system, 1, 2, 3], 2)])
    first = engine.counts.computed

    answers(engine, [greedy_request([*system, 4, 5, 6], 2)])

    assert first >= 1903
    assert engine.counts.computed - first <= 3 + 2


def test_one_who_joins_is_answered_beside_one_who_is_still_answered() -> None:
    engine = batch_engine()
    long, short = Sequence(greedy_request([1, 2, 3], 60)), Sequence(greedy_request([4, 5], 5))
    ended = []
    engine.add(long)
    for _ in range(3):
        engine.step()
    engine.add(short)
    while engine.busy:
        ended += [progress.sequence for progress in engine.step() if progress.sequence.done]

    assert ended == [short, long]


def test_an_answer_ends_before_a_stop_id() -> None:
    (ids,) = answers(batch_engine(), [greedy_request([1, 2, 3], 12)])
    request = GenerationRequest("m", (1, 2, 3), 12, (ids[5],), GREEDY)

    assert answers(batch_engine(), [request]) == [ids[: ids.index(ids[5])]]


def test_an_answer_of_no_ids_ends_with_its_first_step() -> None:
    engine = batch_engine()
    engine.add(Sequence(greedy_request([1, 2, 3], 0)))

    engine.step()

    assert not engine.busy and engine.figures().cache_blocks_held == 0


def test_a_prompt_that_fills_the_cache_is_answered_again() -> None:
    engine, request = batch_engine(4), greedy_request(random_ids(100), 20)
    told = answers(engine, [request])

    engine.add(Sequence(request))
    again = [token.id for _ in range(40) for each in engine.step() for token in each.tokens]

    assert [again] == told


def test_what_can_never_fit_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"100 tokens do not fit a cache of 96; .*--cache-gib"):
        batch_engine(3).add(Sequence(greedy_request(random_ids(60), 40)))


def test_an_answer_that_a_mask_ends_leaves_the_others_alone() -> None:
    class None_:
        def allowed(self) -> torch.Tensor:
            return torch.zeros(VOCAB, dtype=torch.bool)

        def accept(self, token_id: int) -> None:
            raise AssertionError(token_id)

    engine = batch_engine()
    broken = Sequence(GenerationRequest("m", (1,), 4, sampling=GREEDY, mask=None_()))
    whole = Sequence(greedy_request([1], 4))
    engine.add(broken)
    engine.add(whole)
    progress = [each for _ in range(4) for each in engine.step()]

    assert [type(each.error) for each in progress if each.sequence is broken] == [EngineUnavailable]
    assert len([each for each in progress if each.sequence is whole]) == 4
    assert not engine.busy and engine.figures().cache_blocks_held == 0


def test_random_aborts_leave_no_block_held() -> None:
    engine, dice, alive = batch_engine(40, running=6), random.Random(3), []
    for number in range(300):
        sequence = Sequence(greedy_request(random_ids(dice.randrange(1, 90), number % 5), 30))
        engine.add(sequence)
        alive.append(sequence)
        for _ in range(dice.randrange(3)):
            engine.step()
        while len(alive) > dice.randrange(12):
            engine.abort(alive.pop(dice.randrange(len(alive))))
    for sequence in alive:
        engine.abort(sequence)

    figures = engine.figures()
    assert (figures.running, figures.waiting, figures.cache_blocks_held) == (0, 0, 0)
    assert answers(engine, [greedy_request([1, 2, 3], 9)]) == answers(
        batch_engine(), [greedy_request([1, 2, 3], 9)]
    )
