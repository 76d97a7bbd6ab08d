# SPDX-License-Identifier: Apache-2.0
import importlib.util

import pytest
import torch
from torch import Tensor, nn

from node0.errors import ConfigError
from node0.lora.adapter import merge_adapter
from node0.lora.four_bit import BITS, FourBitLinear, dense, dense_type, frozen_linear, is_packed, pack
from node0.lora.linear import LoRALinear
from node0.lora.lora_config import LoRAConfig

with_library = pytest.mark.skipif(
    not importlib.util.find_spec("bitsandbytes"), reason="needs the extra `nf4`"
)
LORA = LoRAConfig(rank=4, alpha=8, dropout=0.0)


def matrix(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(48, 64, generator=torch.Generator().manual_seed(0)).to(dtype)


def adapted(layer: nn.Linear) -> LoRALinear:
    wrapped = LoRALinear.from_base(layer, LORA, layer_name="wq")
    nn.init.normal_(wrapped.lora_B["default"], generator=torch.Generator().manual_seed(1))
    return wrapped


def plain_of(packed: FourBitLinear) -> nn.Linear:
    """A layer with the values that the packed one rounds to."""
    layer = nn.Linear(packed.in_features, packed.out_features, bias=packed.bias is not None)
    layer.weight.data, layer.bias = dense(packed.weight).clone(), packed.bias
    return layer.requires_grad_(requires_grad=False)


def gradients(layer: LoRALinear) -> tuple[Tensor, list[Tensor]]:
    x = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    y = layer(x)
    y.square().sum().backward()
    parts = [x, layer.lora_A["default"], layer.lora_B["default"]]
    return y.detach(), [part.grad for part in parts if part.grad is not None]


def test_a_plain_matrix_is_what_it_is() -> None:
    weight = matrix()

    assert dense(weight) is weight
    assert not is_packed(weight)
    assert dense_type(weight) == torch.float32
    assert torch.equal(frozen_linear(weight[:2], weight, None), weight[:2] @ weight.t())


@with_library
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_matrix_takes_an_eighth_of_float32_and_is_near_what_it_was(dtype: torch.dtype) -> None:
    packed = pack(matrix(dtype))

    assert packed.nbytes == matrix().numel() / 2
    assert 4 < BITS < 4.2
    assert (dense_type(packed), dense(packed).shape) == (dtype, (48, 64))
    # 16 values over a normal distribution: the step is at most a third of its deviation near the middle.
    assert float((dense(packed) - matrix(dtype)).float().abs().mean()) < 0.1


@with_library
@pytest.mark.parametrize("bias", [False, True])
def test_an_adapter_on_it_has_the_gradients_of_one_on_the_rounded_matrix(bias: bool) -> None:
    packed = FourBitLinear(pack(matrix()), nn.Parameter(torch.ones(48)) if bias else None)

    (y, found), (wanted_y, wanted) = (gradients(adapted(layer)) for layer in (packed, plain_of(packed)))

    assert len(found) == 3
    for mine, its in zip([y, *found], [wanted_y, *wanted], strict=True):
        torch.testing.assert_close(mine, its)


@with_library
def test_a_layer_without_an_adapter_passes_gradients_on_and_keeps_nothing_dense() -> None:
    layer, x = FourBitLinear(pack(matrix()), None), torch.ones(2, 64, requires_grad=True)
    kept: list[int] = []

    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.numel()), t)[1], lambda t: t):
        y = layer(x)
    y.sum().backward()

    assert kept == []
    assert x.grad is not None
    torch.testing.assert_close(x.grad, dense(layer.weight).sum(dim=0).expand(2, -1))


@with_library
def test_an_adapter_is_not_merged_into_four_bits() -> None:
    layer = adapted(FourBitLinear(pack(matrix()), None))

    with pytest.raises(ConfigError, match="load the base without quantize"):
        merge_adapter(layer)
