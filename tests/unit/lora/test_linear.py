# SPDX-License-Identifier: Apache-2.0
"""One adapted layer, against its formula and plain autograd."""

import pytest
import torch
from torch import nn

from node0.errors import ConfigError, NotFound
from node0.lora.linear import DropoutKey, LoRALinear, keyed_generator
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig

CONFIG = LoRAConfig(rank=4, alpha=8, dropout=0.0, target_modules=list(ALL_LINEAR))


@pytest.mark.parametrize("bias", [False, True])
def test_a_fresh_adapter_changes_nothing(bias: bool) -> None:
    linear, x = nn.Linear(6, 5, bias=bias), torch.randn(3, 6)
    wanted = linear(x)

    layer = LoRALinear.from_base(linear, CONFIG)

    assert torch.equal(layer(x), wanted)
    assert (bias and layer.bias is linear.bias) or layer.bias is None


def test_the_layer_computes_the_formula() -> None:
    linear, x = nn.Linear(6, 5), torch.randn(2, 3, 6)
    layer = LoRALinear.from_base(linear, LoRAConfig(rank=2, alpha=6, dropout=0.0))
    nn.init.normal_(layer.lora_B["default"])

    delta = (layer.lora_B["default"] @ layer.lora_A["default"]) * 3.0

    assert torch.allclose(layer(x), linear(x) + x @ delta.t(), atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("bias", [False, True])
def test_gradients_equal_those_of_plain_autograd(bias: bool, dropout: float) -> None:
    config = LoRAConfig(rank=3, alpha=6, dropout=dropout)
    layer = LoRALinear.from_base(nn.Linear(6, 5, bias=bias), config)
    nn.init.normal_(layer.lora_B["default"])
    layer.dropout_key = DropoutKey(0, 0, 0)
    x, upstream = torch.randn(4, 6, requires_grad=True), torch.randn(4, 5)
    wanted_of = [x, layer.lora_A["default"], layer.lora_B["default"]]

    # A trainable base takes the plain path.
    plain = torch.autograd.grad((layer(x) * upstream).sum(), wanted_of)
    layer.weight.requires_grad_(False)
    fused = torch.autograd.grad((layer(x) * upstream).sum(), wanted_of)

    for ours, theirs in zip(fused, plain, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_dropout_drops_the_share_it_says_and_keeps_the_mean() -> None:
    layer = LoRALinear.from_base(nn.Linear(300, 300), LoRAConfig(rank=300, alpha=300, dropout=0.2))
    layer.dropout_key = DropoutKey(1, 2, 3)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
        layer.lora_A["default"].copy_(torch.eye(300))
        layer.lora_B["default"].copy_(torch.eye(300))

    out = layer(torch.ones(200, 300)).detach()

    assert abs(float((out == 0).float().mean()) - 0.2) < 0.01
    assert abs(float(out.mean()) - 1.0) < 0.02
    assert torch.equal(layer.eval()(torch.ones(1, 300)), torch.ones(1, 300))


def test_dropout_without_a_key_is_refused() -> None:
    layer = LoRALinear.from_base(nn.Linear(3, 3), LoRAConfig(rank=2, dropout=0.5))

    with pytest.raises(ConfigError, match="call dropout_key"):
        layer(torch.ones(1, 3))


def test_merging_gives_the_same_outputs_and_unmerging_the_same_bits() -> None:
    layer, x = LoRALinear.from_base(nn.Linear(6, 5), CONFIG), torch.randn(3, 6)
    nn.init.normal_(layer.lora_B["default"])
    before, active = layer.weight.detach().clone(), layer(x)

    layer.merge()
    merged = layer(x)
    layer.unmerge()

    assert torch.allclose(merged, active, atol=1e-5)
    assert torch.equal(layer.weight, before) and not layer.merged


def test_an_adapter_that_is_removed_is_active_no_more() -> None:
    linear, x = nn.Linear(6, 5), torch.randn(3, 6)
    layer = LoRALinear.from_base(linear, CONFIG, name="one")
    nn.init.normal_(layer.lora_B["one"])

    layer.remove_adapter("one")

    assert torch.equal(layer(x), linear(x))
    with pytest.raises(NotFound, match="no adapter 'one'; loaded: none"):
        layer.set_adapter("one")


@pytest.mark.parametrize("name", ["", "a.b"])
def test_a_name_that_no_parameter_may_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="take a name without dots"):
        LoRALinear(nn.Linear(2, 2)).add_adapter(name, CONFIG)


def test_a_generator_draws_by_its_key_alone() -> None:
    draws = [torch.rand(4, generator=keyed_generator(*key)) for key in (("a", 1), ("a", 1), ("a", 2))]

    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
