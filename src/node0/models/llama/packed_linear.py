# SPDX-License-Identifier: Apache-2.0
"""Linear layers whose matrices lie as oneDNN reads them, for generation where nothing is compiled.

A product of few rows with a plain matrix lays the matrix out first, which takes longer than the product.
"""

from typing import cast

import torch
from torch import Tensor, nn

from node0.models.device import packs_matrices
from node0.models.llama.batch_attention import ROWS

_WORTHWHILE = 1 << 17
"Weights from which on a packed matrix is faster; below, the call into oneDNN costs more than it saves."

FEW_ROWS = 4
"Products with packed matrices get rows in multiples of this: four rows are faster than eight, and than one."


class PackedLinear(nn.Module):
    """What `nn.Linear` computes, to rounding; its `weight` cannot be read, trained or saved.

    A row's result does not depend on how many rows there are beside it, nor on the threads.
    """

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self.bias = plain.bias
        matrix = torch.ops.mkldnn._reorder_linear_weight(plain.weight.detach(), ROWS)
        self.weight = nn.Parameter(matrix, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), in the type of the matrix."""
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], ""))


def pays(layer: nn.Linear) -> bool:
    """Whether a layer is faster packed here."""
    weight = layer.weight
    return weight.numel() >= _WORTHWHILE and packs_matrices(weight.device.type, weight.dtype)
