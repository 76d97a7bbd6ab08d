# SPDX-License-Identifier: Apache-2.0
"""Layers as a list of calls against the same layers by torch, and against themselves in other batches."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from batch_parts import ARGS
from torch import Tensor

from node0.models.llama.adapter_rows import AdapterRows, Product
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.batch_attention import BatchAttention, Segment, positions_of
from node0.models.llama.compiled_attention import compiled_attention, tasks_of
from node0.models.llama.layers import BodyExpert
from node0.models.llama.packed_layers import compiled_product
from node0.pipeline.batch_runner import _Step

pytestmark = pytest.mark.skipif(
    compiled_product("cpu", torch.float32) is None, reason="nothing is compiled for this processor"
)
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
SEGMENTS = [Segment(0, 40, [5, 0]), Segment(0, 1, [1]), Segment(0, 9, [3])]
FAMILIES = {
    "plain": {},
    "normed heads": {"qk_norm": True},
    "biases, a window": {"qkv_bias": True, "out_bias": True, "mlp_bias": True, "sliding_window": 7},
    "an odd width": {"ffn_dim": 75},
}
Run = Callable[..., Tensor]


def stage_of(args: LlamaArguments, dtype: torch.dtype) -> BodyExpert:
    stage = BodyExpert(args, seed=3).requires_grad_(requires_grad=False)
    for number, parameter in enumerate(stage.parameters()):
        if parameter.dim() == 1:
            generator = torch.Generator().manual_seed(number)
            parameter.copy_(1 + 0.3 * torch.randn(parameter.shape, generator=generator))
        else:
            parameter.mul_(8)
    for module in stage.modules():
        if isinstance(module, torch.nn.Linear):
            module.to(dtype)
    stage.join_projections()
    return stage


def by_torch(args: LlamaArguments, dtype: torch.dtype) -> Run:
    stage = stage_of(args, dtype)
    cache = stage.new_block_cache(6)
    per_key = args.n_heads // (args.n_kv_heads or args.n_heads)

    def run(x: Tensor, segments: list[Segment], adapters: AdapterRows | None = None) -> Tensor:
        attention = BatchAttention(
            segments, n_blocks=6, per_key=per_key, window=args.sliding_window, cache=cache
        )
        filled = torch.cat([x, x.new_zeros(1, attention.n_rows - x.shape[1], x.shape[2])], dim=1)
        positions = torch.tensor([positions_of(segments, attention.n_rows)])
        step = _Step(attention, cache, adapters)
        return stage.forward_batch(filled, positions, partial(stage.run_layers, batch=step))[:, : x.shape[1]]

    return run


def compiled(args: LlamaArguments, dtype: torch.dtype) -> Run:
    from node0.models.llama.compiled_layers import CompiledLayers

    stage, attention = stage_of(args, dtype), compiled_attention(args, "cpu")
    assert attention is not None
    stage.pack_matrices()
    layers = CompiledLayers(stage.blocks(), stage.new_panel_cache(6), attention)

    def run(x: Tensor, segments: list[Segment], adapters: AdapterRows | None = None) -> Tensor:
        tasks = tasks_of(segments)
        positions = torch.tensor([positions_of(segments, tasks.n_rows)])
        return stage.forward_batch(x, positions, partial(layers, tasks=tasks, adapters=adapters))

    return run


def stream(rows: int, args: LlamaArguments = ARGS) -> Tensor:
    return torch.randn(1, rows, args.hidden_dim, generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize("dtype", list(CLOSE), ids=str)
@pytest.mark.parametrize("changes", FAMILIES.values(), ids=FAMILIES)
@torch.inference_mode()
def test_they_compute_what_the_layers_do_to_rounding(changes: dict[str, object], dtype: torch.dtype) -> None:
    args = LlamaArguments.model_validate({**ARGS.model_dump(), **changes})
    runs = [make(args, dtype) for make in (compiled, by_torch)]
    found, expected = ([run(stream(50), SEGMENTS), run(stream(2), NEXT)] for run in runs)

    for one, other in zip(found, expected, strict=True):
        scale = float(other.float().abs().max())
        torch.testing.assert_close(one.float(), other.float(), rtol=CLOSE[dtype], atol=CLOSE[dtype] * scale)


NEXT = [Segment(40, 1, [5, 0]), Segment(1, 1, [1])]


@pytest.mark.parametrize("dtype", list(CLOSE), ids=str)
@torch.inference_mode()
def test_a_row_has_the_same_bits_alone_and_beside_rows_with_adapters(dtype: torch.dtype) -> None:
    x, run = stream(50), compiled(ARGS, dtype)
    whole = run(x, SEGMENTS)
    low, high = torch.ones(2, ARGS.hidden_dim, dtype=dtype), torch.ones(ARGS.hidden_dim, 2, dtype=dtype)
    adapters = AdapterRows([({(1, "wo"): Product(low, high)}, torch.tensor([40]), 1)])

    beside = run(x, SEGMENTS, adapters)
    alone = run(x[:, 41:], [Segment(0, 9, [2])])

    assert torch.equal(beside[:, :40], whole[:, :40]) and torch.equal(beside[:, 41:], whole[:, 41:])
    assert not torch.equal(beside[:, 40], whole[:, 40])
    assert torch.equal(alone, whole[:, 41:])


@torch.inference_mode()
def test_adapters_add_what_they_add_by_torch() -> None:
    low, high = (
        torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in ((2, 32), (32, 2))
    )
    products = {(layer, "wo"): Product(low, high) for layer in (0, 1)}
    adapters = AdapterRows([(products, torch.tensor([40, 3]), 2)])

    found, expected = (
        make(ARGS, torch.float32)(stream(50), SEGMENTS, adapters) for make in (compiled, by_torch)
    )

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
