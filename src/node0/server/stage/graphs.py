# SPDX-License-Identifier: Apache-2.0
"""A byte budget for autograd graphs between forward and backward pass.

Layers beyond the budget keep their input only and are computed again in the backward pass
(Chen et al. 2016, arXiv:1604.06174). Gradients do not change.
"""

from collections.abc import Iterable

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


class GraphBudget:
    """Bytes held by graphs; stages of one process may share one."""

    def __init__(self, limit: int | None = None) -> None:
        """`limit` in bytes; None never recomputes, 0 recomputes every layer."""
        self.limit = limit
        self.held = 0


class GraphMeter:
    """Counts what the graph of one microbatch keeps while its forward pass runs.

    Use as a context manager around the forward pass; `recompute` says before each layer whether
    that layer still fits. `release` gives the bytes back after the backward pass.
    """

    def __init__(self, budget: GraphBudget, weights: Iterable[Tensor]) -> None:
        self._budget = budget
        self._hooks = saved_tensors_hooks(self._pack, _unpack)
        self._seen = {_address(weight) for weight in weights}
        self._before_layer: int | None = None
        self._largest_layer = 0
        self.held = 0

    def __enter__(self) -> "GraphMeter":
        if self._budget.limit:
            self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._budget.limit:
            self._hooks.__exit__(*error)

    def recompute(self) -> bool:
        """Whether the layer that comes next would go beyond the budget, judged by the layers before."""
        if self._before_layer is not None:
            self._largest_layer = max(self._largest_layer, self.held - self._before_layer)
        self._before_layer = self.held
        limit = self._budget.limit
        if limit is None:
            return False
        return self._budget.held + self._largest_layer > limit or limit == 0

    def release(self) -> None:
        """The graph is gone."""
        self._budget.held -= self.held
        self.held = 0

    def _pack(self, tensor: Tensor) -> Tensor:
        address = _address(tensor)
        if address not in self._seen:
            self._seen.add(address)
            size = tensor.untyped_storage().nbytes()
            self.held += size
            self._budget.held += size
        return tensor


def _unpack(tensor: Tensor) -> Tensor:
    return tensor


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
