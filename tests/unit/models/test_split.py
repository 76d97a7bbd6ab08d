# SPDX-License-Identifier: Apache-2.0
"""Cutting layers into stages."""

import pytest

from node0.errors import ConfigError
from node0.models.llama.arguments import LlamaArguments
from node0.models.split import SUPERVISED, head_flops, layer_flops, split_layers, stage_arguments


def slowest(args: LlamaArguments, counts: list[int]) -> float:
    head = SUPERVISED * head_flops(args)
    return max(count * layer_flops(args) + last * head for count, last in marked(counts))


def marked(counts: list[int]) -> list[tuple[int, bool]]:
    return [(count, index == len(counts) - 1) for index, count in enumerate(counts)]


def every_cut(depth: int, num_stages: int) -> list[list[int]]:
    if num_stages == 1:
        return [[depth]]
    return [
        [first, *rest]
        for first in range(1, depth - num_stages + 2)
        for rest in every_cut(depth - first, num_stages - 1)
    ]


@pytest.mark.parametrize("vocab_size", [100, 32000, 500000])
@pytest.mark.parametrize("num_stages", [1, 2, 3, 4])
def test_no_other_cut_has_a_faster_slowest_stage(vocab_size: int, num_stages: int) -> None:
    args = LlamaArguments(hidden_dim=256, n_heads=4, num_hidden_layers=9, vocab_size=vocab_size)

    counts = [len(layers) for layers in split_layers(args, num_stages)]

    assert slowest(args, counts) == min(slowest(args, cut) for cut in every_cut(9, num_stages))


def test_a_heavy_head_takes_layers_from_the_last_stage() -> None:
    args = LlamaArguments(hidden_dim=64, n_heads=4, num_hidden_layers=9, vocab_size=8000)

    counts = [len(layers) for layers in split_layers(args, 3)]

    assert counts[-1] < counts[0]


def test_the_head_counts_for_the_tokens_that_train_alone() -> None:
    # A head as heavy as four layers on every token is as heavy as two on half of them.
    args = LlamaArguments(hidden_dim=256, n_heads=4, n_kv_heads=4, num_hidden_layers=8)
    args = args.model_copy(update={"vocab_size": 4 * layer_flops(args) // args.hidden_dim})

    assert [len(layers) for layers in split_layers(args, 2)] == [5, 3]


def test_given_counts_are_kept_and_layers_are_counted_through() -> None:
    args = LlamaArguments(num_hidden_layers=5)

    stages = stage_arguments(args, 2, [2, 3])

    assert [(stage.first_layer, stage.num_hidden_layers, stage.stage) for stage in stages] == [
        (0, 2, 0),
        (2, 3, 1),
    ]


@pytest.mark.parametrize(("num_stages", "counts"), [(2, [5, 5]), (2, [9]), (2, [9, 0]), (10, None)])
def test_impossible_cuts_are_refused(num_stages: int, counts: list[int] | None) -> None:
    with pytest.raises(ConfigError, match=r"9 layers"):
        split_layers(LlamaArguments(num_hidden_layers=9), num_stages, counts)
