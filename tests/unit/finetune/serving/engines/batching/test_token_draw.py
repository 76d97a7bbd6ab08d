# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.batching.token_draw import draw
from node0.finetune.serving.engines.token_engine import GenerationRequest, TokenMask
from node0.pipeline.protocol import SamplingParams

LOGITS = torch.tensor([0.0, 2.0, 1.0, -1.0])
GREEDY = SamplingParams(temperature=0)


class Only:
    def __init__(self, *ids: int, size: int = 4) -> None:
        self.mask = torch.zeros(size, dtype=torch.bool)
        self.mask[list(ids)] = True
        self.came: list[int] = []

    def allowed(self) -> torch.Tensor:
        return self.mask

    def accept(self, token_id: int) -> None:
        self.came.append(token_id)


def sequence(
    sampling: SamplingParams = GREEDY, *, logprobs: int | None = None, mask: TokenMask | None = None
) -> Sequence:
    return Sequence(GenerationRequest("m", (1, 2), 4, (), sampling, logprobs, mask))


def test_greedy_takes_the_likeliest_and_tells_nothing_unasked() -> None:
    token = draw(sequence(), LOGITS, 1)

    assert (token.id, token.logprob, token.top) == (1, None, ())


@pytest.mark.parametrize(
    "sampling", [GREEDY, SamplingParams(temperature=1.0, seed=3)], ids=["greedy", "drawn"]
)
def test_only_what_the_mask_allows_comes_and_the_mask_hears_it(sampling: SamplingParams) -> None:
    mask = Only(0, 3)
    ids = {draw(sequence(sampling, mask=mask), LOGITS, 1).id for _ in range(20)}

    assert ids <= {0, 3}
    assert len(mask.came) == 20


def test_ids_beyond_a_short_mask_may_not_come() -> None:
    assert draw(sequence(mask=Only(0, size=1)), LOGITS, 1).id == 0


def test_a_mask_that_allows_nothing_ends_the_answer() -> None:
    with pytest.raises(EngineUnavailable, match="nothing may follow"):
        draw(sequence(mask=Only()), LOGITS, 1)


def test_log_probabilities_are_the_models_own_whatever_the_mask_and_the_temperature() -> None:
    token = draw(sequence(SamplingParams(temperature=0.1, seed=1), logprobs=2, mask=Only(3)), LOGITS, 1)
    total = math.log(sum(math.exp(value) for value in LOGITS.tolist()))

    assert token.id == 3
    assert token.logprob == pytest.approx(-1.0 - total)
    assert [token_id for token_id, _ in token.top] == [1, 2]
    assert [value for _, value in token.top] == pytest.approx([2.0 - total, 1.0 - total])


def test_a_draw_repeats_at_the_same_length_and_seed_and_differs_at_others() -> None:
    logits = torch.randn(1000, generator=torch.Generator().manual_seed(0))

    def drawn(seed: int, length: int) -> int:
        one = sequence(SamplingParams(temperature=1.0, seed=seed))
        one.ids += [0] * length
        return draw(one, logits, 0).id

    assert drawn(1, 5) == drawn(1, 5)
    assert len({drawn(1, 5), drawn(1, 6), drawn(2, 5)}) == 3
