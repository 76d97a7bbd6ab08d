# SPDX-License-Identifier: Apache-2.0
"""How the matrices of a module are laid out for generation: for machine code of ours, for oneDNN, or not.

The choice is made for a layer, by its type and place alone, when the layer is packed. What it computes for a
row is then the same for prompts, answers and guesses, however many rows there are.
"""

from typing import TYPE_CHECKING

import torch
from torch import nn

from node0.models.compiled.large_pages import LargePages, room_for
from node0.models.device import packs_matrices
from node0.models.llama.batch_attention import ROWS
from node0.models.llama.compiled_linear import CompiledLinear
from node0.models.llama.packed_linear import FEW_ROWS, PackedLinear, pays

if TYPE_CHECKING:
    from node0.models.compiled.product import Product

Matrix = nn.Linear | PackedLinear | CompiledLinear
"A linear layer, packed or not."


def pack_matrices(module: nn.Module) -> None:
    """Replace each linear layer in `module` that is faster packed; one matrix at a time is there twice.

    A matrix that is also used otherwise, as a tied head is, stays beside its packed copy.
    """
    linear = {path: layer for path, layer in module.named_modules() if isinstance(layer, nn.Linear)}
    pages = LargePages(sum(map(_compiled_bytes, linear.values())))
    for path in list(linear):
        parent, _, child = path.rpartition(".")
        setattr(module.get_submodule(parent), child, _packed(linear.pop(path), pages))


def packed_size(module: nn.Module, device: str, dtype: torch.dtype) -> int:
    """Parameters of `module` once its matrices are packed on a device; it may lie on the meta device."""
    if not may_pack(device, dtype):
        return sum(parameter.numel() for parameter in module.parameters())
    product = compiled_product(device, dtype)
    matrices = [layer.weight for layer in module.modules() if isinstance(layer, nn.Linear)]
    packed = (product.numbers(*each.shape) if product is not None else each.numel() for each in matrices)
    others = (owner for owner in module.modules() if not isinstance(owner, nn.Linear))
    kept = {id(one): one.numel() for owner in others for one in owner.parameters(recurse=False)}
    return sum(packed) + sum(kept.values())


def row_multiple(module: nn.Module) -> int:
    """To which multiple rows are filled up, so that a row's bits do not depend on those beside it."""
    layers = list(module.modules())
    if any(isinstance(layer, nn.Linear) for layer in layers):
        return ROWS
    return FEW_ROWS if any(isinstance(layer, PackedLinear) for layer in layers) else 1


def multiplier(module: nn.Module) -> str:
    """What multiplies by the matrices of a packed module, for people."""
    kinds = {type(layer) for layer in module.modules()}
    if CompiledLinear in kinds:
        return "code compiled for this processor"
    return "oneDNN" if PackedLinear in kinds else "torch"


def may_pack(device: str, dtype: torch.dtype) -> bool:
    """Whether some matrices of a type are packed on a device."""
    return compiled_product(device, dtype) is not None or packs_matrices(device, dtype)


def compiled_product(device: str, dtype: torch.dtype) -> "Product | None":
    """The product that is compiled for this processor.

    None on other devices, for other types, without the compiler, or where torch has no threads of GNU OpenMP.
    """
    if device != "cpu":
        return None
    try:
        from node0.models.compiled.product import product_here  # llvmlite comes with the extra `serve`
    except (ImportError, OSError):
        return None
    return product_here(dtype)


def _compiled_bytes(layer: nn.Linear) -> int:
    """Room that a layer's matrix takes once it is laid out for compiled code, if it will be."""
    product = compiled_product(layer.weight.device.type, layer.weight.dtype)
    return 0 if product is None else room_for(product.numbers(*layer.weight.shape) * layer.weight.itemsize)


def _packed(layer: nn.Linear, pages: LargePages) -> nn.Module:
    product = compiled_product(layer.weight.device.type, layer.weight.dtype)
    if product is not None:
        return CompiledLinear(layer, product, pages)
    return PackedLinear(layer) if pays(layer) else layer
