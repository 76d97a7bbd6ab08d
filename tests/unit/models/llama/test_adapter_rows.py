# SPDX-License-Identifier: Apache-2.0
import torch
from torch.nn import functional

from node0.lora.adapter import apply_lora, get_lora_parameters
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import empty_stages
from node0.models.llama.adapter_rows import Products, adapter_products, adapter_rows
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage

ARGS = LlamaArguments(hidden_dim=8, n_heads=2, n_kv_heads=1, num_hidden_layers=2, ffn_dim=12, vocab_size=16)
CPU = torch.device("cpu")


def adapted(*names: str, modules: list[str]) -> tuple[LlamaStage, dict[str, Products]]:
    """A stage without weights that has adapters, and these as products."""
    (stage,) = empty_stages(ARGS)
    for seed, name in enumerate(names):
        apply_lora(stage, LoRAConfig(rank=2, alpha=4.0, target_modules=modules), name, seed=seed)
    for parameter in get_lora_parameters(stage):
        parameter.data.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    return stage, {name: adapter_products(stage, name, dtype=torch.float32, device=CPU) for name in names}


def test_each_row_passes_its_own_adapter_and_others_none() -> None:
    stage, bank = adapted("a", "b", modules=["wq", "wv"])
    x, y = torch.randn(1, 8, 8), torch.zeros(1, 8, 16)
    names = ["b", None, "a", "b", None, "a", "a", None]

    rows = adapter_rows(bank, names, CPU)
    assert rows is not None
    rows.add(1, "wqkv", x, y)

    attention = stage.layers["1"].attention
    for row, name in enumerate(names):
        expected = torch.zeros(16)
        for layer, place in ((attention.wq, slice(0, 8)), (attention.wv, slice(12, 16))):
            if name is not None:
                low = functional.linear(x[0, row], layer.lora_A[name])
                expected[place] = functional.linear(low, layer.lora_B[name]) * 2
        torch.testing.assert_close(y[0, row], expected)


def test_matrices_without_an_adapter_are_left_alone() -> None:
    _, bank = adapted("a", modules=["w2"])
    rows, y = adapter_rows(bank, ["a"] * 8, CPU), torch.zeros(1, 8, 8)

    assert set(bank["a"]) == {(0, "w2"), (1, "w2")}
    assert rows is not None
    rows.add(0, "wo", torch.ones(1, 8, 8), y)
    assert not y.any()


def test_rows_without_adapters_need_nothing() -> None:
    assert adapter_rows({}, [None, None], CPU) is None
