# SPDX-License-Identifier: Apache-2.0
"""Compiled attention against the formula, and against itself in other pieces."""

import random
from collections.abc import Iterator

import pytest
import torch
from compiled_parts import attended
from torch import Tensor

from node0.models.block_cache import BLOCK, PanelCache
from node0.models.compiled.attention_code import PIECE
from node0.models.compiled.attention_rows import Heads
from node0.models.compiled.cached_attention import Attention, attention_here
from node0.models.compiled.processor import processor
from node0.models.llama.batch_attention import Segment

SHAPES = [Heads(2, 2, 64), Heads(1, 7, 8), Heads(2, 1, 80, window=40), Heads(3, 1, 20, window=1)]
TOKENS = PIECE + 100

pytestmark = pytest.mark.skipif(
    attention_here(SHAPES[1]) is None,
    reason="no x86 processor with fused vectors, or torch without GNU OpenMP",
)


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest, features: tuple[str, dict[str, bool]]) -> tuple[Attention, Heads]:
    found = processor(*features)
    assert found is not None
    return Attention(found, request.param), request.param


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def drawn(heads: Heads, tokens: int = TOKENS) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(tokens)
    sizes = (heads.kv_heads * heads.per_key, heads.kv_heads, heads.kv_heads)
    query, key, value = (torch.randn(tokens, size, heads.dim, generator=generator) for size in sizes)
    return query * 3, key, value


def cache_of(heads: Heads, blocks: int = 60) -> PanelCache:
    return PanelCache(1, blocks, n_kv_heads=heads.kv_heads, head_dim=heads.dim)


def exact(query: Tensor, key: Tensor, value: Tensor, heads: Heads) -> Tensor:
    key, value = (each.double().repeat_interleave(heads.per_key, dim=1) for each in (key, value))
    scores = torch.einsum("qhd,khd->hqk", query.double(), key) * heads.dim**-0.5
    distance = torch.arange(len(query))[:, None] - torch.arange(len(key))
    hidden = (distance < 0) | (distance >= (heads.window or len(key)))
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(hidden, -torch.inf).softmax(-1), value)


def test_it_is_causal_attention(shape: tuple[Attention, Heads], threads: int) -> None:
    attention, heads = shape
    query, key, value = drawn(heads)

    found = attended(attention, [Segment(0, TOKENS, range(20))], cache_of(heads), query, key, value)

    torch.testing.assert_close(found.double(), exact(query, key, value, heads), rtol=1e-5, atol=1e-5)


def test_neither_pieces_nor_neighbours_nor_places_change_a_bit(
    shape: tuple[Attention, Heads], threads: int
) -> None:
    attention, heads = shape
    new, dice = drawn(heads), random.Random(1)
    whole = attended(attention, [Segment(0, TOKENS, range(20))], cache_of(heads), *new)
    other, cache, blocks = drawn(heads, 30), cache_of(heads), dice.sample(range(1, 60), 20)

    pieces, at = [], 0
    while at < TOKENS:
        count = min(dice.choice([1, 2, 5, 60, 200]), TOKENS - at)
        beside = at % 30
        segments = [Segment(beside, 1, [0]), Segment(at, count, blocks)]
        given = [
            torch.cat([each[beside : beside + 1], mine[at : at + count]])
            for each, mine in zip(other, new, strict=True)
        ]
        pieces.append(attended(attention, segments, cache, *given)[1:])
        at += count

    assert torch.equal(torch.cat(pieces), whole)


def test_scores_far_apart_neither_overflow_nor_lose_the_largest() -> None:
    heads = SHAPES[1]
    attention = attention_here(heads)
    assert attention is not None
    query, key, value = drawn(heads, 40)

    found = attended(attention, [Segment(0, 40, [0, 1])], cache_of(heads), query * 1e3, key * 1e3, value)

    torch.testing.assert_close(
        found.double(), exact(query * 1e3, key * 1e3, value, heads), rtol=1e-4, atol=1e-4
    )


def test_what_other_sequences_left_in_a_block_is_not_seen() -> None:
    heads = SHAPES[1]
    attention = attention_here(heads)
    assert attention is not None
    query, key, value = drawn(heads, BLOCK)
    cache = cache_of(heads)
    for each in cache.layer(0):
        each.fill_(torch.nan)

    found = attended(attention, [Segment(0, 5, [3])], cache, query[:5], key[:5], value[:5])

    torch.testing.assert_close(
        found.double(), exact(query[:5], key[:5], value[:5], heads), rtol=1e-5, atol=1e-5
    )
