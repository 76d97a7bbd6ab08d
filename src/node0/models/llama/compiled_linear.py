# SPDX-License-Identifier: Apache-2.0
"""Linear layers that multiply by machine code of ours, for generation on a processor."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from node0.models.compiled.large_pages import LargePages

if TYPE_CHECKING:
    from node0.models.compiled.product import Product


class CompiledLinear(nn.Module):
    """What `nn.Linear` computes, to rounding; its `weight` cannot be read, trained or saved.

    A row's result depends on nothing but the row.
    """

    def __init__(self, plain: nn.Linear, product: "Product", pages: LargePages | None = None) -> None:
        super().__init__()
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self.product, self.panels = product, product.panels(plain.weight, plain.bias, pages=pages)
        self.weight = nn.Parameter(self.panels.weight, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), in the type of the matrix."""
        return self.product(x, self.panels, self.out_features)
