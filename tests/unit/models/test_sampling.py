# SPDX-License-Identifier: Apache-2.0
"""Draws against probabilities computed by hand."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.errors import BadCheckpoint
from node0.finetune.inference.sampling import sample_token, token_probabilities
from node0.models.sampling import draw_token, draw_tokens

LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -3.0])


def by_hand(temperature: float, top_p: float, top_k: int) -> list[float]:
    """Plain Python: soften, keep k, keep the nucleus, divide by what is left."""
    weights = [2.718281828459045 ** (logit / temperature) for logit in LOGITS.tolist()]
    kept = weights[: top_k or len(weights)]
    shares = [weight / sum(kept) for weight in kept]
    nucleus, mass = [], 0.0
    for share in shares:
        if mass >= top_p:
            break
        nucleus.append(share)
        mass += share
    return [share / mass for share in nucleus] + [0.0] * (len(weights) - len(nucleus))


CONTROLS = [
    (1.0, 1.0, 0),
    (0.5, 1.0, 0),
    (2.0, 1.0, 0),
    (1.0, 1.0, 2),
    (1.0, 0.7, 0),
    (1.0, 0.9, 4),
    (1.3, 0.8, 3),
]


@pytest.mark.parametrize(("temperature", "top_p", "top_k"), CONTROLS)
def test_probabilities_equal_those_written_out_by_hand(temperature: float, top_p: float, top_k: int) -> None:
    shuffled = torch.tensor([3, 0, 5, 1, 4, 2])
    logits = LOGITS[shuffled]

    ours = token_probabilities(logits, temperature=temperature, top_p=top_p, top_k=top_k)

    wanted = torch.tensor(by_hand(temperature, top_p, top_k))[shuffled]
    assert torch.allclose(ours, wanted, atol=1e-6)


@pytest.mark.parametrize(("temperature", "top_p", "top_k"), CONTROLS)
def test_draws_follow_the_probabilities(temperature: float, top_p: float, top_k: int) -> None:
    generator = torch.Generator().manual_seed(11)
    draws = 4000

    counts = Counter(
        sample_token(LOGITS, temperature, top_p, top_k, generator=generator) for _ in range(draws)
    )

    for token, share in enumerate(by_hand(temperature, top_p, top_k)):
        # Five standard deviations of a binomial share.
        assert abs(counts[token] / draws - share) <= 5 * (share * (1 - share) / draws) ** 0.5


def test_a_cold_draw_is_the_likeliest_token() -> None:
    assert {sample_token(LOGITS, 0.01) for _ in range(50)} == {0}
    assert sample_token(LOGITS.flip(0), 0.0) == 5


def test_a_seed_repeats_its_draws() -> None:
    def draws(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return [sample_token(LOGITS, 2.0, 1.0, generator=generator) for _ in range(30)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_rows_drawn_together_are_drawn_as_each_alone() -> None:
    logits = torch.randn(60, 301, generator=torch.Generator().manual_seed(1))
    temperatures = [0.5 + row / 20 for row in range(60)]

    def generators() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(row) for row in range(60)]

    together = draw_tokens(logits, temperatures, generators())

    alone = [
        draw_token(row, temperature, 1.0, 0, generator=generator)
        for row, temperature, generator in zip(logits, temperatures, generators(), strict=True)
    ]
    assert together == alone


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=40),
    st.floats(0, 3),
    st.floats(0, 1),
    st.integers(0, 50),
)
def test_every_draw_is_an_id(logits: list[float], temperature: float, top_p: float, top_k: int) -> None:
    token = sample_token(torch.tensor(logits), temperature, top_p, top_k)

    assert isinstance(token, int)
    assert 0 <= token < len(logits)


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_a_nucleus_of_any_size_equals_that_of_a_full_sort(spread: float) -> None:
    logits = torch.randn(6000, generator=torch.Generator().manual_seed(5)) * spread
    logits[0] += 0.1
    shares, order = torch.softmax(logits, -1).sort(descending=True, stable=True)

    for top_p in (0.05, 0.5, 0.9, 0.999):
        size = int((shares.double().cumsum(-1) < top_p).sum()) + 1
        ours = token_probabilities(logits, top_p=top_p)
        # Sums in float32 may place the border one token further.
        assert abs(int((ours > 0).sum()) - size) <= 1
        if spread:
            assert set(ours.topk(size - 1).indices.tolist()) == set(order[: size - 1].tolist())
        assert abs(float(ours.sum()) - 1) < 1e-5


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("damage", [[0.0, float("nan"), 1.0], [float("nan")] * 3, [float("-inf")] * 3])
def test_damaged_weights_never_answer(damage: list[float], temperature: float) -> None:
    with pytest.raises(BadCheckpoint, match="not numbers"):
        sample_token(torch.tensor(damage), temperature)
