# SPDX-License-Identifier: Apache-2.0
"""The cache's public methods."""

import pytest
import torch

from node0.errors import ConfigError
from node0.finetune.inference.kv_cache import KVCache


def new_cache(**changes: int) -> KVCache:
    return KVCache(**{"n_layers": 2, "max_length": 8, "n_kv_heads": 3, "head_dim": 4, **changes})


def test_update_returns_past_and_new() -> None:
    cache = new_cache()
    first, second = torch.randn(1, 3, 2, 4), torch.randn(1, 3, 1, 4)

    cache.update(0, first, -first)
    keys, values = cache.update(0, second, -second)

    assert torch.equal(keys, torch.cat((first, second), dim=2))
    assert torch.equal(values, -keys)


def test_length_grows_by_one_per_token_and_reset_clears_it() -> None:
    cache = new_cache()
    lengths = []
    for _ in range(3):
        cache.update(0, torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4))
        lengths.append(len(cache))

    cache.reset()

    assert lengths == [1, 2, 3]
    assert len(cache) == 0


def test_layers_are_counted_in_the_whole_model() -> None:
    cache = new_cache(first_layer=5)

    cache.update(6, torch.ones(1, 3, 2, 4), torch.ones(1, 3, 2, 4))
    keys, _ = cache.update(5, torch.zeros(1, 3, 2, 4), torch.zeros(1, 3, 2, 4))

    assert float(keys.sum()) == 0.0
    assert len(cache) == 2


def test_truncated_tokens_are_written_over() -> None:
    cache = new_cache()
    old, new = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 1, 4)
    cache.update(0, old, old)

    cache.truncate(2)
    keys, _ = cache.update(0, new, new)

    assert torch.equal(keys, torch.cat((old[:, :, :2], new), dim=2))


def test_a_full_cache_refuses_in_one_line() -> None:
    cache = new_cache()

    with pytest.raises(ConfigError, match="9 tokens does not fit a cache of 8"):
        cache.update(0, torch.zeros(1, 3, 9, 4), torch.zeros(1, 3, 9, 4))
