# SPDX-License-Identifier: Apache-2.0
"""Attention within documents and over a cache, against a softmax over an explicit mask."""

import pytest
import torch
from torch import Tensor

from node0.models.llama.attention import Layout, attend, attend_cached, training_layout

HEADS, DIM = 4, 8


def tensors(rows: int, tokens: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows * 1000 + tokens)
    return tuple(
        torch.randn(rows, tokens, heads, DIM, generator=generator) for heads in (HEADS, kv_heads, kv_heads)
    )


def by_mask(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """Softmax over scores of what is seen (rows, queries, keys), head by head, in float64."""
    groups = query.shape[2] // key.shape[2]
    key, value = (x.double().repeat_interleave(groups, dim=2) for x in (key, value))
    scores = torch.einsum("rqhd,rkhd->rhqk", query.double(), key) / DIM**0.5
    scores = scores.masked_fill(~seen[:, None], -torch.inf)
    return torch.einsum("rhqk,rkhd->rqhd", scores.softmax(-1), value).float()


def seen_of(positions: Tensor, window: int | None = None) -> Tensor:
    """Which token sees which: earlier ones of its own document, within the window. One by one."""
    rows, tokens = positions.shape
    seen = torch.zeros(rows, tokens, tokens, dtype=torch.bool)
    for row in range(rows):
        start = 0
        for query in range(tokens):
            start = query if positions[row, query] == 0 else start
            first = start if window is None else max(start, query - window + 1)
            seen[row, query, first : query + 1] = True
    return seen


def row_of(*lengths: int) -> Tensor:
    return torch.cat([torch.arange(length) for length in lengths])


LAYOUTS = {
    "rows": (torch.stack([row_of(12), row_of(12)]), None),
    "mask": (torch.stack([row_of(5, 4, 3), row_of(7, 5)]), None),
    "documents": (row_of(80, 1, 1, 60, 90, 1)[None], None),
    "single tokens": (row_of(*[1] * 9)[None], None),
    "window": (torch.stack([row_of(5, 7), row_of(12)]), 4),
    "wide window": (torch.stack([row_of(5, 7), row_of(12)]), 12),
}


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("name", LAYOUTS)
def test_tokens_see_the_earlier_ones_of_their_own_document(name: str, kv_heads: int) -> None:
    positions, window = LAYOUTS[name]
    query, key, value = tensors(*positions.shape, kv_heads)

    out = attend(query, key, value, training_layout(positions, window))

    torch.testing.assert_close(
        out, by_mask(query, key, value, seen_of(positions, window)), atol=1e-5, rtol=1e-4
    )


def test_each_layout_is_the_cheapest_exact_one() -> None:
    found = {name: training_layout(*given) for name, given in LAYOUTS.items()}

    assert found["rows"] == Layout()
    assert found["documents"].documents == ((80, False), (2, True), (60, False), (90, False), (1, True))
    assert found["single tokens"].documents == ((9, True),)
    assert all(found[name].mask is not None for name in ("mask", "window"))


def test_a_row_that_starts_within_a_document_is_a_document() -> None:
    positions = torch.stack([torch.arange(3, 9), torch.arange(6)])

    assert training_layout(positions) == Layout()


@pytest.mark.parametrize("window", [None, 3, 50])
@pytest.mark.parametrize(("before", "new"), [(0, 6), (5, 1), (5, 4), (0, 1)])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_new_tokens_see_the_cache_and_each_other(
    kv_heads: int, before: int, new: int, window: int | None
) -> None:
    total = before + new
    query, key, value = tensors(1, total, kv_heads)

    out = attend_cached(query[:, before:], key.transpose(1, 2), value.transpose(1, 2), window)

    wanted = by_mask(query, key, value, seen_of(torch.arange(total)[None], window))[:, before:]
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-4)


def test_a_wider_cache_gives_the_querys_type_back() -> None:
    query, key, value = tensors(1, 5, 2)

    out = attend_cached(query[:, 4:].bfloat16(), key.transpose(1, 2), value.transpose(1, 2))

    assert out.dtype == torch.bfloat16 and out.shape == (1, 1, HEADS, DIM)
