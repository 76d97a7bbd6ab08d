# SPDX-License-Identifier: Apache-2.0
"""How matrices are laid out, with and without a compiler."""

import sys

import pytest
import torch
from torch import Tensor, nn

from node0.models.device import packs_matrices
from node0.models.llama import packed_layers
from node0.models.llama.batch_attention import ROWS
from node0.models.llama.compiled_linear import CompiledLinear
from node0.models.llama.packed_layers import (
    compiled_product,
    may_pack,
    multiplier,
    pack_matrices,
    row_multiple,
)
from node0.models.llama.packed_linear import FEW_ROWS, PackedLinear

needs_compiler = pytest.mark.skipif(
    compiled_product("cpu", torch.float32) is None, reason="nothing is compiled for this processor"
)
needs_packing = pytest.mark.skipif(
    not packs_matrices("cpu", torch.float32), reason="oneDNN packs matrices on x86 processors only"
)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_layers, "compiled_product", lambda *_: None)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(shape[0]))


def linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False).requires_grad_(requires_grad=False)
    layer.weight.copy_(random(outputs, inputs))
    return layer


@needs_compiler
def test_every_matrix_is_compiled_for_where_it_can_be() -> None:
    inner = nn.ModuleDict({"large": linear(512, 512), "small": linear(6, 5)})
    module = nn.ModuleDict({"inner": inner, "norm": nn.LayerNorm(1 << 18)})
    x, tiny = random(3, 512), random(2, 6)
    expected = inner["large"](x), inner["small"](tiny)

    pack_matrices(module)
    pack_matrices(module)

    assert all(isinstance(layer, CompiledLinear) for layer in inner.values())
    assert (row_multiple(module), multiplier(module)) == (1, "code compiled for this processor")
    torch.testing.assert_close((inner["large"](x), inner["small"](tiny)), expected, rtol=1e-4, atol=1e-4)


@needs_packing
@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_those_are_packed_that_are_worth_it() -> None:
    module = nn.ModuleDict({"large": linear(512, 512), "small": linear(64, 64)})
    x = random(8, 512)
    expected = module["large"](x)

    pack_matrices(module)

    assert isinstance(module["large"], PackedLinear) and isinstance(module["small"], nn.Linear)
    assert (row_multiple(module), row_multiple(module["large"])) == (ROWS, FEW_ROWS)
    assert (multiplier(module), multiplier(nn.Linear(2, 2))) == ("oneDNN", "torch")
    torch.testing.assert_close(module["large"](x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("compiles", [True, False])
def test_a_matrix_that_is_also_an_embedding_stays_one(
    compiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiles:
        monkeypatch.setattr(packed_layers, "compiled_product", lambda *_: None)
    embedding, head = nn.Embedding(1024, 512), nn.Linear(512, 1024, bias=False)
    head.weight = embedding.weight
    module = nn.ModuleDict({"embedding": embedding, "head": head})

    pack_matrices(module)

    rows = embedding(torch.tensor([3])).detach()
    torch.testing.assert_close(module["head"](rows), rows @ embedding.weight.T, rtol=1e-4, atol=1e-4)


def test_nothing_is_compiled_for_a_gpu_or_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_product("cuda", torch.float32) is None
    assert not may_pack("cuda", torch.float32)

    for name in [name for name in sys.modules if name.startswith("node0.models.compiled")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    assert compiled_product("cpu", torch.float32) is None
    assert may_pack("cpu", torch.float32) == packs_matrices("cpu", torch.float32)
