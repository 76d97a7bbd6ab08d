# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch

from node0.errors import NotFound
from node0.finetune.checkpoint.merged_base import export_merged
from node0.lora.adapter import apply_lora, get_lora_parameters
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import resolve_base
from node0.models.factory import build_stages, load_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=2, vocab_size=61, ffn_dim=48)
CONFIG = LoRAConfig(rank=4, alpha=6, dropout=0.1, target_modules=["wq", "w2"])


def stages_with_adapter(num_stages: int = 2) -> list[LlamaStage]:
    stages = build_stages(ARGS, num_stages)
    for stage in stages:
        apply_lora(stage, CONFIG)
        for parameter in get_lora_parameters(stage):
            torch.nn.init.normal_(parameter)
    return stages


def test_a_merged_export_is_the_sum_and_leaves_the_stages_alone(tmp_path: Path) -> None:
    stages = stages_with_adapter()
    before = [{name: value.clone() for name, value in stage.state_dict().items()} for stage in stages]

    export_merged(stages, tmp_path)

    (merged,) = load_stages(resolve_base(tmp_path))
    layer = stages[0].layers["0"].attention.wq
    delta = layer.lora_B["default"] @ layer.lora_A["default"] * (6 / 4)
    assert torch.allclose(merged.layers["0"].attention.wq.weight, layer.weight + delta, atol=1e-5)
    for stage, kept in zip(stages, before, strict=True):
        assert all(torch.equal(kept[name], value) for name, value in stage.state_dict().items())


def test_a_layer_without_an_adapter_is_exported_as_it_is(tmp_path: Path) -> None:
    stages = stages_with_adapter()

    export_merged(stages, tmp_path)

    (merged,) = load_stages(resolve_base(tmp_path))
    assert torch.equal(merged.layers["1"].attention.wo.weight, stages[1].layers["1"].attention.wo.weight)


def test_a_merged_export_has_no_tensor_of_an_adapter(tmp_path: Path) -> None:
    export_merged(stages_with_adapter(), tmp_path)

    (merged,) = load_stages(resolve_base(tmp_path))

    assert [name for name in merged.state_dict() if "lora" in name] == []


def test_an_adapter_that_no_stage_has_is_not_found_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="other"):
        export_merged(stages_with_adapter(), tmp_path / "merged", adapter="other")

    assert not (tmp_path / "merged").exists()
