# SPDX-License-Identifier: Apache-2.0
"""Joined projections compute what the separate ones do."""

import pytest
import torch

from node0.errors import ConfigError
from node0.finetune.lora.adapter import apply_lora
from node0.finetune.lora.config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments

SHAPE = {"hidden_dim": 32, "n_heads": 4, "num_hidden_layers": 2, "vocab_size": 40, "ffn_dim": 48}
KINDS = {
    "llama": {},
    "gqa": {"n_kv_heads": 2},
    "qwen2": {"n_kv_heads": 2, "qkv_bias": True},
    "qwen3": {"n_kv_heads": 1, "qk_norm": True, "head_dim": 16},
    "biased": {"qkv_bias": True, "mlp_bias": True, "out_bias": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_joined_projections_change_no_logit(kind: str) -> None:
    args = LlamaArguments.model_validate(SHAPE | KINDS[kind] | {"init_std": 0.3})
    (plain,), (joined,) = build_stages(args, seed=1), build_stages(args, seed=1)
    for stage in (plain, joined):
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in stage.parameters():
                if parameter.dim() == 1:
                    parameter.add_(torch.rand(parameter.shape, generator=generator))
    ids = torch.randint(0, 40, (1, 9), generator=torch.Generator().manual_seed(3))

    joined.join_projections()

    assert sum(p.numel() for p in joined.parameters()) == sum(p.numel() for p in plain.parameters())
    with torch.no_grad():
        assert torch.allclose(joined(ids), plain(ids), atol=1e-5)


def test_layers_with_an_adapter_are_not_joined() -> None:
    (stage,) = build_stages(LlamaArguments.model_validate(SHAPE), seed=1)
    apply_lora(stage, LoRAConfig(rank=2))

    with pytest.raises(ConfigError, match="put the adapter inside the weights first"):
        stage.join_projections()


def test_a_bfloat16_model_on_a_processor_caches_in_float32_and_agrees_with_itself() -> None:
    (stage,) = build_stages(LlamaArguments.model_validate(SHAPE | {"init_std": 0.2}), dtype=torch.bfloat16)
    ids = torch.randint(0, 40, (1, 12), generator=torch.Generator().manual_seed(3))
    cache = stage.new_cache(12)

    with torch.no_grad():
        whole = stage(ids)
        steps = [
            stage.logits(stage.forward_hidden(ids[:, at : at + 1], torch.tensor([[at]]), cache))
            for at in range(12)
        ]

    assert cache.update(0, torch.zeros(1, 4, 0, 8), torch.zeros(1, 4, 0, 8))[0].dtype == torch.float32
    assert torch.allclose(torch.cat(steps, dim=1), whole, atol=0.1)
