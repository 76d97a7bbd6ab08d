# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn import functional

from node0.models.block_cache import BLOCK, BlockCache
from node0.models.llama.batch_attention import ROWS, BatchAttention, Segment, positions_of

HEADS, KV_HEADS, DIM = 4, 2, 8


def attended(
    lengths: list[tuple[int, int]], window: int | None = None
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What sequences (tokens before, new tokens) get together, and what plain attention gives each."""
    generator = torch.Generator().manual_seed(5)
    cache = BlockCache(1, 64, n_kv_heads=KV_HEADS, head_dim=DIM)
    free = torch.randperm(64, generator=generator).tolist()
    whole, segments = [], []
    for start, count in lengths:
        q, k, v = (
            torch.randn((start + count, heads, DIM), generator=generator)
            for heads in (HEADS, KV_HEADS, KV_HEADS)
        )
        blocks = [free.pop() for _ in range(-(-(start + count) // BLOCK))]
        if start:
            before = BatchAttention(
                [Segment(0, start, blocks)], n_blocks=64, per_key=2, window=window, cache=cache
            )
            rows = before.n_rows - start
            before.attend(
                cache, 0, *(functional.pad(part[:start], (0, 0, 0, 0, 0, rows)) for part in (q, k, v))
            )
        whole.append((q, k, v))
        segments.append(Segment(start, count, blocks))
    step = BatchAttention(segments, n_blocks=64, per_key=2, window=window, cache=cache)
    new = [
        torch.cat([parts[index][start:] for parts, (start, _) in zip(whole, lengths, strict=True)])
        for index in range(3)
    ]
    filled = [functional.pad(part, (0, 0, 0, 0, 0, step.n_rows - step.n_tokens)) for part in new]
    out, row, pairs = step.attend(cache, 0, *filled), 0, []
    for (q, k, v), (start, count) in zip(whole, lengths, strict=True):
        pairs.append((out[row : row + count], _plain(q, k, v, window)[start:]))
        row += count
    assert step.n_rows % ROWS == 0 and not out[row:].any()
    return pairs


def _plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int | None) -> torch.Tensor:
    distance = torch.arange(len(q))[:, None] - torch.arange(len(q))
    seen = (distance >= 0) & (distance < (window or len(q)))
    q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)[0].transpose(
        0, 1
    )


@pytest.mark.parametrize("window", [None, 20])
def test_sequences_of_any_lengths_attend_as_each_does_alone(window: int | None) -> None:
    for together, plain in attended([(0, 5), (31, 1), (70, 3), (0, 100), (200, 1)], window):
        torch.testing.assert_close(together, plain, rtol=1e-5, atol=1e-6)


def test_positions_count_on_and_filling_rows_stand_at_the_beginning() -> None:
    assert positions_of([Segment(3, 2, [0]), Segment(0, 1, [1])], 5) == [3, 4, 0, 0, 0]
