# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.batching.token_draw import draw, draw_ahead
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


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_ids_drawn_together_are_those_drawn_alone(temperature: float) -> None:
    logits = 3 * torch.randn(40, 1003, generator=torch.Generator().manual_seed(4))
    sampling = [SamplingParams(temperature=temperature + row / 40, seed=row) for row in range(40)]
    rows = {row: sequence(each) for row, each in enumerate(sampling) if row % 3}

    ahead = draw_ahead(rows, logits)

    assert ahead == {row: draw(one, logits[row], 0).id for row, one in rows.items()}
    assert len(set(ahead.values())) > 10


def test_nothing_is_drawn_ahead_where_more_than_temperature_decides() -> None:
    others = [
        sequence(),
        sequence(SamplingParams(temperature=1.0, top_p=0.9)),
        sequence(SamplingParams(temperature=1.0, top_k=3)),
        sequence(SamplingParams(temperature=1.0), mask=Only(1)),
    ]
    plain = [sequence(SamplingParams(temperature=1.0, seed=row)) for row in range(2)]

    assert draw_ahead(dict(enumerate([plain[0], *others])), LOGITS.expand(5, -1)) == {}
    assert draw_ahead(dict(enumerate([*plain, *others])), LOGITS.expand(6, -1)).keys() == {0, 1}


def test_an_id_that_was_drawn_ahead_is_taken_if_the_scores_are_numbers() -> None:
    one = sequence(SamplingParams(temperature=1.0), logprobs=1)

    assert draw(one, LOGITS, 1, ahead=3).id == 3
    with pytest.raises(EngineUnavailable, match="not numbers"):
        draw(one, LOGITS * math.nan, 0, ahead=3)
