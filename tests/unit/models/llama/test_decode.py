# SPDX-License-Identifier: Apache-2.0
"""One token at a time through joined projections computes what the plain layers do."""

from itertools import pairwise

import pytest
import torch

from node0.errors import ConfigError
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.blocks import Context, RMSNorm, TransformerBlock
from node0.models.llama.decode import DecodeLayer, Norm
from node0.models.llama.layers import SoloExpert

SHAPE = {"hidden_dim": 32, "n_heads": 4, "num_hidden_layers": 2, "vocab_size": 40, "ffn_dim": 48}
KINDS = {
    "llama": {},
    "gqa": {"n_kv_heads": 2},
    "qwen2": {"n_kv_heads": 2, "qkv_bias": True},
    "qwen3": {"n_kv_heads": 1, "qk_norm": True, "head_dim": 16},
    "windowed": {"n_kv_heads": 2, "sliding_window": 5},
    "biased": {"qkv_bias": True, "mlp_bias": True, "out_bias": True},
}


IDS = torch.randint(0, 40, (1, 12), generator=torch.Generator().manual_seed(3))


def _stage(kind: str) -> SoloExpert:
    """With random biases and norms."""
    args = LlamaArguments.model_validate(SHAPE | KINDS[kind] | {"init_std": 0.3})
    (stage,) = build_stages(args, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in stage.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.rand(parameter.shape, generator=generator))
    assert isinstance(stage, SoloExpert)
    return stage


@pytest.mark.parametrize("kind", KINDS)
def test_joined_projections_change_no_logit(kind: str) -> None:
    plain, joined = _stage(kind), _stage(kind)

    joined.join_projections()

    assert sum(p.numel() for p in joined.parameters()) == sum(p.numel() for p in plain.parameters())
    with torch.no_grad():
        assert torch.allclose(joined(IDS), plain(IDS), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_one_token_at_a_time_changes_no_logit(kind: str) -> None:
    joined = _stage(kind)
    joined.join_projections()

    with torch.no_grad():
        whole, steps = _stage(kind)(IDS), _step_by_step(joined, first=4)

    assert torch.allclose(steps, whole, atol=2e-5)


@torch.no_grad()
def _step_by_step(stage: SoloExpert, *, first: int) -> torch.Tensor:
    """Logits (1, 12, vocab): the first tokens in one pass, each other one alone."""
    cache = stage.new_cache(12)
    edges = [0, first, *range(first + 1, 13)]
    return torch.cat(
        [
            stage.logits(
                stage.forward_hidden(IDS[:, start:end], torch.arange(start, end).unsqueeze(0), cache)
            )
            for start, end in pairwise(edges)
        ],
        dim=1,
    )


def test_layers_with_an_adapter_are_not_joined() -> None:
    (stage,) = build_stages(LlamaArguments.model_validate(SHAPE), seed=1)
    apply_lora(stage, LoRAConfig(rank=2))

    with pytest.raises(ConfigError, match="put the adapter inside the weights first"):
        stage.join_projections()


def test_a_bfloat16_model_on_a_processor_caches_in_float32_and_agrees_with_itself() -> None:
    args = LlamaArguments.model_validate(SHAPE | {"init_std": 0.2})
    (stage,) = build_stages(args, dtype=torch.bfloat16)
    assert isinstance(stage, SoloExpert)
    with torch.no_grad():
        whole = stage(IDS)

    stepped = _step_by_step(stage, first=1)
    stage.join_projections()
    joined = _step_by_step(stage, first=1)

    keys, _ = stage.new_cache(1).update(0, torch.zeros(1, 4, 1, 8), torch.zeros(1, 4, 1, 8))
    assert keys.dtype == torch.float32
    assert torch.allclose(stepped, whole, atol=0.1)
    assert torch.allclose(joined, whole, atol=0.1)


def test_a_norm_without_its_module_gives_the_same() -> None:
    norm, x = RMSNorm(16, 1e-6), torch.randn(1, 1, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        norm.weight.copy_(torch.rand(16) + 0.5)

    torch.testing.assert_close(Norm.of(norm)(x), norm(x))


@pytest.mark.parametrize("kind", KINDS)
def test_a_decode_layer_appends_to_the_cache_what_its_block_does(kind: str) -> None:
    plain, joined = _stage(kind), _stage(kind)
    joined.join_projections()
    caches = [stage.new_cache(3) for stage in (plain, joined)]
    block, twin = plain.layers["0"], joined.layers["0"]
    assert isinstance(block, TransformerBlock) and isinstance(twin, TransformerBlock)
    layer, outputs = DecodeLayer(twin), []

    with torch.no_grad():
        for position in range(3):
            x = torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(position))
            cos, sin = plain.rope(torch.tensor([[position]]), 3)
            contexts = [Context(cos, sin, cache=cache) for cache in caches]
            outputs.append((block(x, contexts[0]), layer(x, contexts[1])))

    assert [len(cache) for cache in caches] == [3, 3]
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in outputs)
