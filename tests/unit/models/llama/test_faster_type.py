# SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Sequence

import pytest
import torch

from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.faster_type import (
    Shape,
    decode_shapes,
    faster_dtype,
    sample,
    seconds_of_products,
)

ARGS = LlamaArguments(
    hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=2, ffn_dim=40, vocab_size=48, head_dim=16
)
LARGE = ARGS.model_copy(update={"vocab_size": 70_000})


class Clock:
    """Seconds by type, and what was asked for."""

    def __init__(self, float32: float, bfloat16: float) -> None:
        self._seconds = {torch.float32: float32, torch.bfloat16: bfloat16}
        self.asked: list[tuple[Sequence[Shape], torch.dtype]] = []

    def __call__(self, shapes: Sequence[Shape], dtype: torch.dtype) -> float:
        self.asked.append((shapes, dtype))
        return self._seconds[dtype]


@pytest.mark.parametrize(
    ("wide", "narrow", "chosen"),
    [
        (3.0, 1.0, torch.bfloat16),
        (3.0, 2.0, torch.bfloat16),
        (3.0, 2.1, torch.float32),
        (1.0, 9.0, torch.float32),
    ],
)
def test_bfloat16_is_taken_where_it_is_much_faster(
    wide: float, narrow: float, chosen: torch.dtype, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert faster_dtype(LARGE, seconds=Clock(wide, narrow)) == chosen

    assert caplog.messages[-1].endswith(f"taking {str(chosen).removeprefix('torch.')}")


def test_a_shape_is_measured_once_and_another_one_anew() -> None:
    clock = Clock(1.0, 1.0)

    for _ in range(3):
        faster_dtype(LARGE, seconds=clock)
    assert [dtype for _, dtype in clock.asked] == [torch.float32, torch.bfloat16]

    faster_dtype(LARGE.model_copy(update={"ffn_dim": 50}), seconds=clock)
    assert len(clock.asked) == 4


def test_a_small_model_is_not_measured() -> None:
    clock = Clock(9.0, 1.0)

    assert faster_dtype(ARGS, seconds=clock) == torch.float32
    assert clock.asked == []


@pytest.mark.parametrize("changes", [{}, {"n_kv_heads": None}, {"ffn_dim": None}])
def test_shapes_are_those_of_the_model_with_joined_projections(changes: dict[str, object]) -> None:
    args = ARGS.model_copy(update=changes)
    (stage,) = build_stages(args)
    stage.join_projections()

    matrices = [
        (layer.in_features, layer.out_features)
        for layer in stage.modules()
        if isinstance(layer, torch.nn.Linear)
    ]

    assert sorted(decode_shapes(args)) == sorted(matrices)


def test_a_sample_of_a_large_model_ends_within_a_matrix() -> None:
    assert sample([(10, 20), (10, 30)], 1000) == ((10, 20), (10, 30))
    assert sample([(10, 20), (10, 30), (10, 5)], 307) == ((10, 20), (10, 10))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_of_either_type_take_time(dtype: torch.dtype) -> None:
    assert seconds_of_products([(512, 300), (16, 8)], dtype) > 0
