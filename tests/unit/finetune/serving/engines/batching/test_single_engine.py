# SPDX-License-Identifier: Apache-2.0
"""Sequences of a model of transformers: one after the other, each with its own ids, ended and freed."""

import pytest
import torch
from any_base import any_model
from batch_parts import greedy_request
from torch import Tensor

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.batching.batch_engine import Progress
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.batching.single_engine import SingleEngine
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.models.hf.hf_stage import HFStage
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import SamplingParams

PROMPT = (7, 30, 12, 99)


@pytest.fixture
def stage() -> HFStage:
    made = HFStage(any_model("granite"), packs=False).eval()
    made.requires_grad_(requires_grad=False)
    return made


@pytest.fixture
def engine(stage: HFStage) -> SingleEngine:
    return SingleEngine(LocalPipeline([stage]))


def generated(stage: HFStage, prompt: tuple[int, ...], count: int) -> list[int]:
    """By transformers' own `generate`."""
    ids = torch.tensor([prompt])
    out = stage.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, eos_token_id=[]
    )
    return out[0, len(prompt) :].tolist()  # type: ignore[no-any-return]  # of ids


def run(engine: SingleEngine, *sequences: Sequence) -> list[Progress]:
    for each in sequences:
        engine.add(each)
    steps = []
    while engine.busy:
        steps += engine.step()
    return steps


def ids_of(steps: list[Progress], sequence: Sequence) -> list[int]:
    return [token.id for step in steps if step.sequence is sequence for token in step.tokens]


def test_each_gets_the_ids_of_generate_in_the_order_in_which_they_came(
    stage: HFStage, engine: SingleEngine
) -> None:
    prompts = (PROMPT, (5,), PROMPT[::-1])
    sequences = [Sequence(greedy_request(prompt, 6)) for prompt in prompts]

    steps = run(engine, *sequences)

    assert [ids_of(steps, each) for each in sequences] == [generated(stage, each, 6) for each in prompts]
    assert [step.sequence for step in steps] == [each for each in sequences for _ in range(6)]
    assert engine.figures().computed_ids == sum(len(prompt) + 5 for prompt in prompts)


def test_a_stop_id_ends_an_answer_and_is_not_told(stage: HFStage, engine: SingleEngine) -> None:
    wanted = generated(stage, PROMPT, 6)
    stop = next(token for token in wanted if token != wanted[0])
    request = GenerationRequest("m", PROMPT, 6, stop_ids=(stop,), sampling=SamplingParams(temperature=0))
    sequence = Sequence(request)

    assert ids_of(run(engine, sequence), sequence) == wanted[: wanted.index(stop)]
    assert sequence.done and not engine.busy


def test_whoever_leaves_makes_room_for_the_next(stage: HFStage, engine: SingleEngine) -> None:
    first, second, third = (Sequence(greedy_request(PROMPT, 4)) for _ in range(3))
    for each in (first, second, third):
        engine.add(each)
    engine.step()
    assert (engine.figures().running, engine.figures().waiting) == (1, 2)

    engine.abort(first)
    engine.abort(third)
    engine.abort(third)

    assert (engine.figures().running, engine.figures().waiting) == (0, 1)
    assert ids_of(run(engine), second) == generated(stage, PROMPT, 4)


def test_a_seed_repeats_a_draw_and_log_probabilities_are_the_models(
    stage: HFStage, engine: SingleEngine
) -> None:
    request = GenerationRequest("m", PROMPT, 5, sampling=SamplingParams(seed=3), logprobs=2)
    one, other = Sequence(request), Sequence(request)

    steps = run(engine, one, other)

    assert ids_of(steps, one) == ids_of(steps, other)
    with torch.no_grad():
        logits = stage.model(torch.tensor([PROMPT]), use_cache=False).logits[0, -1].float()
    told = steps[0].tokens[0]
    assert told.logprob == pytest.approx(float(logits.log_softmax(-1)[told.id]), abs=1e-4)
    assert [token for token, _ in told.top] == logits.topk(2).indices.tolist()


class OnlyEven:
    """A mask that lets even ids come."""

    def allowed(self) -> Tensor:
        return torch.arange(288) % 2 == 0

    def accept(self, token_id: int) -> None:
        assert token_id % 2 == 0


def test_a_mask_is_followed(engine: SingleEngine) -> None:
    request = GenerationRequest("m", PROMPT, 8, sampling=SamplingParams(seed=1), mask=OnlyEven())
    sequence = Sequence(request)

    ids = ids_of(run(engine, sequence), sequence)

    assert len(ids) == 8 and all(token % 2 == 0 for token in ids)


def test_scores_that_are_no_numbers_end_that_answer_alone(stage: HFStage, engine: SingleEngine) -> None:
    norm = stage.model.get_submodule("model.norm").weight
    kept = norm.clone()
    norm.fill_(torch.nan)
    broken, whole = Sequence(greedy_request(PROMPT, 2)), Sequence(greedy_request(PROMPT, 2))
    engine.add(broken)
    engine.add(whole)

    (told,) = engine.step()
    norm.copy_(kept)

    assert told.sequence is broken and isinstance(told.error, EngineUnavailable)
    assert ids_of(run(engine), whole) == generated(stage, PROMPT, 2)
