# SPDX-License-Identifier: Apache-2.0
"""Adapters of the rows of one batch: each row passes its own, rows of one adapter in one product.

As Chen et al. 2023 (Punica, arXiv:2310.18547) group rows by adapter. The products of joined matrices
are joined too: A one below the other, B along the diagonal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from node0.lora.adapter import lora_layers
from node0.lora.linear import LoRALinear
from node0.models.llama.batch_attention import ROWS

_JOINED = {
    "wqkv": ("attention.wq", "attention.wk", "attention.wv"),
    "wo": ("attention.wo",),
    "w13": ("feed_forward.w1", "feed_forward.w3"),
    "w2": ("feed_forward.w2",),
}
"Matrices of a layer as they are joined for generation, and the layers in them."


@dataclass(frozen=True, slots=True)
class Product:
    """One adapter on one joined matrix; its scale is in B."""

    a: Tensor
    "(rank, in)."

    b: Tensor
    "(out, rank)."


Products = Mapping[tuple[int, str], Product]
"Of one adapter, by layer in the whole model and joined matrix."


@dataclass(slots=True)
class AdapterRows:
    """Which rows pass which adapter, in one step."""

    groups: list[tuple[Products, Tensor, int]] = field(default_factory=list)
    "An adapter; the rows, filled up by the first; how many there are."

    def add(self, layer_idx: int, matrix: str, x: Tensor, y: Tensor) -> None:
        """Add to y (1, rows, out) what the adapters make of x (1, rows, in)."""
        for products, rows, count in self.groups:
            product = products.get((layer_idx, matrix))
            if product is not None:
                low = nn.functional.linear(x[0].index_select(0, rows), product.a)
                more = nn.functional.linear(low, product.b)
                y[0].index_add_(0, rows[:count], more[:count].to(y.dtype))


def adapter_rows(
    bank: Mapping[str, Products], names: Sequence[str | None], device: torch.device
) -> AdapterRows | None:
    """The adapters of rows by their names; None where no row has one."""
    wanted = dict.fromkeys(name for name in names if name is not None)
    groups = []
    for name in wanted:
        rows = [row for row, own in enumerate(names) if own == name]
        filled = rows + rows[:1] * (-len(rows) % ROWS)
        groups.append((bank[name], torch.tensor(filled, dtype=torch.int64, device=device), len(rows)))
    return AdapterRows(groups) if groups else None


@torch.no_grad()
def adapter_products(stage: nn.Module, name: str, *, dtype: torch.dtype, device: torch.device) -> Products:
    """An adapter that is on a stage, as joined products; the stage itself may lie on the meta device."""
    indices = sorted({int(path.split(".")[1]) for path, layer in lora_layers(stage) if name in layer.configs})
    found: dict[tuple[int, str], Product] = {}
    for index in indices:
        for matrix in _JOINED:
            product = _joined(stage, index, matrix, name)
            if product is not None:
                a, b = product
                found[index, matrix] = Product(a.to(device, dtype), b.to(device, dtype))
    return found


def _joined(stage: nn.Module, index: int, matrix: str, name: str) -> tuple[Tensor, Tensor] | None:
    a: list[Tensor] = []
    b: list[Tensor] = []
    for path in _JOINED[matrix]:
        part = cast(nn.Linear | LoRALinear, stage.get_submodule(f"layers.{index}.{path}"))
        if isinstance(part, LoRALinear) and name in part.configs:
            a.append(part.lora_A[name].float())
            b.append(part.lora_B[name].float() * part.scale(name))
        else:
            b.append(torch.zeros(part.out_features, 0))
    return (torch.cat(a), _diagonal(b)) if a else None


def _diagonal(parts: Sequence[Tensor]) -> Tensor:
    whole = torch.zeros(sum(part.shape[0] for part in parts), sum(part.shape[1] for part in parts))
    row = column = 0
    for part in parts:
        whole[row : row + part.shape[0], column : column + part.shape[1]] = part
        row, column = row + part.shape[0], column + part.shape[1]
    return whole
