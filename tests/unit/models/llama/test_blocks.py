# SPDX-License-Identifier: Apache-2.0
"""The parts of a layer, against their formulas."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.attention import training_layout
from node0.models.llama.blocks import Context, FeedForward, RMSNorm, TransformerBlock, ffn_dim, joined
from node0.models.llama.rope import RotaryEmbedding

ARGS = LlamaArguments(hidden_dim=16, n_heads=4, n_kv_heads=2, num_hidden_layers=1, ffn_dim=24, mlp_bias=True)


def test_a_norm_divides_by_the_root_of_the_mean_square() -> None:
    norm, x = RMSNorm(16, 1e-5), torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        norm.weight.copy_(torch.arange(16.0))

    wanted = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * torch.arange(16.0)

    torch.testing.assert_close(norm(x), wanted)
    assert norm(x.bfloat16()).dtype == torch.bfloat16


def test_the_feed_forward_layer_is_a_gated_silu() -> None:
    layer, x = FeedForward(ARGS), torch.randn(2, 3, 16)

    wanted = layer.w2(functional.silu(layer.w1(x)) * layer.w3(x))

    torch.testing.assert_close(layer(x), wanted)


def test_a_layer_adds_to_its_input() -> None:
    block, x = TransformerBlock(ARGS, 0), torch.randn(1, 5, 16)
    positions = torch.arange(5)[None]
    context = Context(*RotaryEmbedding(ARGS)(positions, 5), layout=training_layout(positions))
    with torch.no_grad():
        for output in (block.attention.wo, block.feed_forward.w2):
            output.weight.zero_()
        block.feed_forward.w2.bias.zero_()

    assert torch.equal(block(x, context), x)


@pytest.mark.parametrize("bias", [False, True])
def test_joined_layers_give_what_each_gives_side_by_side(bias: bool) -> None:
    layers, x = [nn.Linear(6, width, bias=bias) for width in (4, 2, 2)], torch.randn(3, 6)

    whole, widths = joined(*layers)

    assert widths == [4, 2, 2] and not whole.weight.requires_grad
    torch.testing.assert_close(whole(x), torch.cat([layer(x) for layer in layers], dim=-1))


@pytest.mark.parametrize(
    ("given", "width"),
    [
        ({"hidden_dim": 4096}, 11008),  # Llama 2 7B
        ({"hidden_dim": 8192, "multiple_of": 4096, "ffn_dim_multiplier": 1.3}, 28672),  # Llama 2 70B
        ({"hidden_dim": 4096, "ffn_dim": 14336}, 14336),
    ],
)
def test_the_width_of_the_feed_forward_layer_is_the_published_one(
    given: dict[str, float], width: int
) -> None:
    assert ffn_dim(LlamaArguments.model_validate(given)) == width
