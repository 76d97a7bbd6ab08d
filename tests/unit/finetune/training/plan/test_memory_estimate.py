# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from node0.errors import DoesNotFit
from node0.finetune.training.plan.memory_estimate import (
    GIB,
    MemoryFactors,
    count_adapter_parameters,
    count_parameters,
    estimate,
    free_bytes,
    refuse_oversize,
)
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.stage.graphs import GraphBudget, GraphMeter

LORA = LoRAConfig(rank=8, target_modules=["wq", "wk", "wv", "wo"])


def shape(**changes):
    return MemoryFactors(
        **{"tokens": 4096, "row_length": 2048, "base_bytes": 2, "lora": LORA, "graph_budget": None, **changes}
    )


def test_llama_2_7b_has_its_published_number_of_weights():
    assert count_parameters(LlamaArguments()) == 6_738_415_616


def test_llama_3_8b_has_its_published_number_of_weights():
    args = LlamaArguments(n_kv_heads=8, ffn_dim=14336, vocab_size=128256)

    assert count_parameters(args) == 8_030_261_248


def test_qwen3_0_6b_has_its_published_number_of_weights():
    args = LlamaArguments(
        hidden_dim=1024,
        n_heads=16,
        n_kv_heads=8,
        head_dim=128,
        num_hidden_layers=28,
        ffn_dim=3072,
        vocab_size=151936,
        qk_norm=True,
        tie_embeddings=True,
    )

    assert count_parameters(args) == 596_049_920


def test_an_adapter_has_rank_times_both_widths():
    args = LlamaArguments(hidden_dim=64, n_heads=4, n_kv_heads=2, num_hidden_layers=3)

    assert count_adapter_parameters(args, LORA) == 3 * 8 * (128 + 96 + 96 + 128)


def test_full_training_needs_sixteen_bytes_a_weight():
    args = LlamaArguments(hidden_dim=64, n_heads=4, num_hidden_layers=2, vocab_size=128)
    memory = estimate(args, shape(lora=None))

    assert memory.weights == 0
    assert memory.trained == 16 * count_parameters(args)


def test_a_budget_bounds_the_graphs():
    args = LlamaArguments(hidden_dim=64, n_heads=4, num_hidden_layers=8, vocab_size=128)

    assert estimate(args, shape(graph_budget=1000)).graphs == 1000 * estimate(args, shape()).gaps
    assert estimate(args, shape()).graphs > 1750


def test_a_run_that_cannot_fit_is_refused_with_both_figures():
    memory = estimate(LlamaArguments(), shape())

    with pytest.raises(DoesNotFit, match=r"needs .* GiB and 4\.0 GiB are free"):
        refuse_oversize(memory, 4 * GIB, budget_given=False)


def test_recomputing_may_make_a_run_fit():
    memory = estimate(LlamaArguments(), shape())
    between = (memory.least + memory.total) // 2

    refuse_oversize(memory, between, budget_given=False)
    with pytest.raises(DoesNotFit):
        refuse_oversize(memory, between, budget_given=True)


def test_free_memory_of_this_machine_is_known():
    assert free_bytes("cpu") > 0


@pytest.mark.parametrize("kind", [{}, {"n_kv_heads": 1}, {"n_kv_heads": 2, "qk_norm": True, "head_dim": 64}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("adapted", [list(ALL_LINEAR), ["wq", "wv"], ["w1", "w2"], None])
def test_the_graphs_are_what_a_forward_pass_keeps(kind, dtype, adapted):
    if adapted is None and dtype == torch.bfloat16:
        pytest.skip("what trains is float32")
    args = LlamaArguments(hidden_dim=96, n_heads=4, num_hidden_layers=4, vocab_size=64, ffn_dim=200, **kind)
    lora = None if adapted is None else LoRAConfig(rank=8, dropout=0.0, target_modules=adapted)
    (stage,) = build_stages(args, dtype=dtype)
    if lora is not None:
        apply_lora(stage, lora)
    meter = GraphMeter(GraphBudget(1 << 40), stage.parameters())
    ids = torch.randint(0, 64, (2, 256))

    with meter:
        stage.forward_hidden(ids, torch.arange(256).expand(2, -1), recompute=meter.recompute)

    memory = estimate(args, shape(tokens=512, row_length=256, base_bytes=dtype.itemsize, lora=lora))
    assert 1.0 <= memory.graphs / memory.gaps / meter.held <= 1.3


def test_a_budget_is_in_bytes_of_tensors_and_a_gpu_has_fewer_gaps():
    args = LlamaArguments(hidden_dim=64, n_heads=4, num_hidden_layers=8, vocab_size=128)
    heap, gpu = (
        estimate(args, shape(graph_budget=1000)),
        estimate(args, shape(graph_budget=1000, on_gpu=True)),
    )

    assert (heap.graphs, gpu.graphs) == (1750, 1050)
    assert estimate(args, shape(on_gpu=True)).least < estimate(args, shape()).least


def test_a_packed_base_takes_little_more_than_half_a_byte_a_matrix_and_its_tables_stay():
    args = LlamaArguments(hidden_dim=256, n_heads=4, num_hidden_layers=8, vocab_size=512, ffn_dim=1024)
    tables = 2 * 512 * 256
    norms = (2 * 8 + 1) * 256
    matrices = count_parameters(args) - tables - norms

    packed, plain = estimate(args, shape(four_bit=True)), estimate(args, shape())

    assert packed.weights == pytest.approx(matrices * 4.127 / 8 + 2 * (tables + norms), rel=1e-3)
    assert plain.weights == 2 * count_parameters(args)
    # One matrix at a time is dense.
    assert 0 < packed.workspace - plain.workspace < 2 * 2 * 3 * 256 * 1024
