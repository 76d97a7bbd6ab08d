# SPDX-License-Identifier: Apache-2.0
"""Rotary positions against complex numbers and the published scaling rules."""

import math

import pytest
import torch
from torch import Tensor

from node0.models.llama.arguments import LlamaArguments, RopeScaling
from node0.models.llama.rope import RotaryEmbedding, head_dim, inverse_frequencies, rotate

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, num_hidden_layers=1)
DIM = 8


def turned(x: Tensor, positions: Tensor) -> Tensor:
    """Feature i + j * feature (i + DIM / 2), multiplied by e^(j * position * frequency), in float64."""
    frequencies = torch.tensor([10000.0 ** (-2 * i / DIM) for i in range(DIM // 2)], dtype=torch.float64)
    angles = positions.double()[..., None, None] * frequencies
    pairs = torch.complex(x[..., : DIM // 2].double(), x[..., DIM // 2 :].double())
    out = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat((out.real, out.imag), dim=-1).to(x.dtype)


def test_a_head_is_turned_by_its_position_as_complex_numbers_are() -> None:
    x = torch.randn(2, 5, 4, DIM, generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 0, 70, 300]])

    cos, sin = RotaryEmbedding(ARGS)(positions, 301)

    assert cos.shape == sin.shape == (2, 5, 1, DIM)
    torch.testing.assert_close(rotate(x, cos, sin), turned(x, positions), atol=1e-4, rtol=1e-4)


def test_products_of_queries_and_keys_depend_on_their_distance_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    query, key = (torch.randn(1, 1, 1, DIM, generator=generator) for _ in range(2))
    rope = RotaryEmbedding(ARGS)

    def product(at: int, behind: int) -> float:
        places = (torch.tensor([[at]]), torch.tensor([[at - behind]]))
        turned = [rotate(x, *rope(place, 200)) for x, place in zip((query, key), places, strict=True)]
        return float((turned[0] * turned[1]).sum())

    assert product(9, 4) == pytest.approx(product(150, 4), abs=1e-4)
    assert product(9, 4) != pytest.approx(product(9, 5), abs=1e-3)


def test_tables_grow_and_keep_what_they_said() -> None:
    rope, positions = RotaryEmbedding(ARGS), torch.arange(10)[None]
    before = [table.clone() for table in rope(positions, 10)]

    rope(torch.tensor([[1000]]), 1001)

    assert rope.cos.shape[0] >= 1001
    assert all(torch.equal(a, b) for a, b in zip(before, rope(positions, 10), strict=True))


def test_a_narrow_type_is_turned_in_float32() -> None:
    x = torch.randn(1, 3, 2, DIM, generator=torch.Generator().manual_seed(2)).bfloat16()
    cos, sin = RotaryEmbedding(ARGS)(torch.tensor([[5, 6, 7]]), 8)

    out = rotate(x, cos, sin)

    assert out.dtype == torch.bfloat16
    assert torch.equal(out, rotate(x.float(), cos, sin).bfloat16())


def test_linear_scaling_slows_every_feature_alike() -> None:
    scaled = ARGS.model_copy(update={"rope_scaling": RopeScaling(rope_type="linear", factor=4.0)})

    torch.testing.assert_close(inverse_frequencies(scaled), inverse_frequencies(ARGS) / 4.0)


def test_llama3_scaling_stretches_long_waves_keeps_short_ones_and_blends_between() -> None:
    scaling = RopeScaling(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
    args = LlamaArguments(hidden_dim=128, n_heads=1, rope_theta=500000.0, rope_scaling=scaling)
    plain = [500000.0 ** (-2 * i / 128) for i in range(64)]
    long, short = (8192 / factor for factor in (1.0, 4.0))

    wanted = []
    for frequency in plain:
        wave = 2 * math.pi / frequency
        blend = (8192 / wave - 1.0) / (4.0 - 1.0)
        between = (1 - blend) * frequency / 8.0 + blend * frequency
        wanted.append(frequency / 8.0 if wave > long else frequency if wave < short else between)

    found = inverse_frequencies(args)
    torch.testing.assert_close(found, torch.tensor(wanted), atol=0, rtol=1e-4)
    assert found[0] == pytest.approx(plain[0]) and float(found[-1]) == pytest.approx(plain[-1] / 8)


def test_a_head_is_the_width_divided_unless_it_is_given() -> None:
    assert head_dim(ARGS) == 8
    assert head_dim(ARGS.model_copy(update={"head_dim": 12})) == 12
