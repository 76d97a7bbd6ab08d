# SPDX-License-Identifier: Apache-2.0
import sys

import pytest
import torch
from batch_parts import ARGS
from compiled_parts import attended

from node0.models.block_cache import PanelCache
from node0.models.llama.batch_attention import BatchAttention, Segment
from node0.models.llama.compiled_attention import compiled_attention
from node0.models.llama.layers import BodyExpert


@pytest.mark.skipif(compiled_attention(ARGS, "cpu") is None, reason="nothing is compiled for this processor")
@pytest.mark.parametrize("window", [None, 7])
def test_it_is_what_stands_in_for_it_to_rounding(window: int | None) -> None:
    args = ARGS.model_copy(update={"sliding_window": window})
    stage, attention = BodyExpert(args), compiled_attention(args, "cpu")
    assert attention is not None
    generator = torch.Generator().manual_seed(1)
    segments = [Segment(0, 70, [5, 0, 2]), Segment(0, 1, [1]), Segment(0, 33, [3, 4])]
    query, key, value = (torch.randn(104, heads, 8, generator=generator) for heads in (4, 2, 2))

    found = attended(attention, segments, stage.new_panel_cache(6), query, key, value)

    plain = stage.new_block_cache(6)
    other = BatchAttention(segments, n_blocks=6, per_key=2, window=window, cache=plain)
    torch.testing.assert_close(found, other.attend(plain, 0, query, key, value), rtol=1e-5, atol=1e-5)


def test_it_is_not_for_a_gpu_or_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_attention(ARGS, "cuda") is None

    monkeypatch.delitem(sys.modules, "node0.models.compiled.cached_attention", raising=False)
    monkeypatch.setitem(sys.modules, "node0.models.compiled.cached_attention", None)
    assert compiled_attention(ARGS, "cpu") is None


def test_a_cache_of_panels_copies_blocks_and_counts_its_bytes() -> None:
    cache = PanelCache(2, 3, n_kv_heads=2, head_dim=8, first_layer=4)
    keys, values = cache.layer(5)
    keys[1], values[1] = 1.0, 2.0

    cache.copy(1, 2)

    assert (keys[2].sum(), values[2].sum()) == (keys[1].sum(), values[1].sum())
    assert not cache.layer(4)[0].any()
    assert cache.nbytes == 2 * 2 * 3 * 32 * 2 * 8 * 4
