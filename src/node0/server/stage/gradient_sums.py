# SPDX-License-Identifier: Apache-2.0
"""The gradients of one global batch on one stage, summed in the order of its microbatches.

They are float32 sums over the supervised tokens. They are divided once, when the step is applied, so
a stage need not know how many tokens there were.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from node0.errors import ConfigError, RetriableError


@dataclass(frozen=True, slots=True)
class Share:
    """Which microbatches of a global batch come here: `first`, `first + stride`, and so on."""

    first: int = 0
    stride: int = 1

    def __contains__(self, index: int) -> bool:
        return index >= self.first and (index - self.first) % self.stride == 0


class GradientSums:
    """The sums in the `grad` of some weights. They do not depend on who was faster."""

    def __init__(self, weights: Mapping[str, nn.Parameter], *, tied_name: str | None = None) -> None:
        """`tied_name`: which of them is a copy of a table whose other copy is elsewhere."""
        self._weights, self._tied_name = weights, tied_name
        self._early: dict[int, list[Tensor | None]] = {}
        self._share = Share()
        self._next = 0
        self._counts_tied = True

    @property
    def microbatches(self) -> int:
        """Microbatches whose gradients are in the sums."""
        return (self._next - self._share.first) // self._share.stride

    def by_name(self) -> dict[str, Tensor]:
        """The sums so far; a weight that no microbatch reached is absent."""
        return {name: weight.grad for name, weight in self._weights.items() if weight.grad is not None}

    def squared_norm(self) -> float:
        """Of all sums together; a tied table counts at one of its ends."""
        norms = [
            torch.linalg.vector_norm(gradient, dtype=torch.float64)
            for name, gradient in self.by_name().items()
            if self._counts_tied or name != self._tied_name
        ]
        # Read together: each reading waits for the device.
        return sum(norm**2 for norm in torch.stack(norms).tolist()) if norms else 0.0

    def assign(self, share: Share) -> None:
        """Clear the sums, and expect these microbatches from now on: the others go to another replica."""
        self._share = share
        self.clear()

    def accumulate(self, index: int, backward: Callable[[], None]) -> None:
        """Run the backward pass of microbatch `index` and add its gradients in index order.

        A microbatch that comes early waits, so that the sum does not depend on who was faster.

        Raises:
            RetriableError: the microbatch is already in the sums, or is another replica's.
        """
        if index not in self._share:
            raise RetriableError(f"microbatch {index} is another replica's; abort the step and replay it")
        if index < self._next or index in self._early:
            raise RetriableError(f"microbatch {index} was accumulated before; abort the step and replay it")
        if index > self._next:
            self._early[index] = self._aside(backward)
            return
        backward()
        self._next += self._share.stride
        while self._next in self._early:
            self._add(self._early.pop(self._next))
            self._next += self._share.stride

    def export(self) -> list[Tensor]:
        """The sums of all weights in their order, zero where no microbatch reached one."""
        return [_sum_of(weight) for weight in self._weights.values()]

    def replace(self, sums: Sequence[Tensor]) -> None:
        """Take what all replicas of the stage have summed, in the order of `export`."""
        for weight, total in zip(self._weights.values(), sums, strict=True):
            weight.grad = total.to(weight.device)

    def tied(self) -> Tensor | None:
        """The gradient of this stage's copy of a tied table; None without one."""
        weight = self._weights.get(self._tied_name) if self._tied_name is not None else None
        return None if weight is None else _sum_of(weight)

    def replace_tied(self, total: Tensor, *, counted: bool) -> None:
        """Take the sum over both copies. `counted` for one copy: the norm has it once."""
        if self._tied_name is None:
            raise ConfigError("this stage has no copy of a tied table; do not set its gradient")
        self._weights[self._tied_name].grad = total.clone()
        self._counts_tied = counted

    def scale(self, factor: float) -> None:
        """Multiply every sum."""
        if gradients := list(self.by_name().values()):
            torch._foreach_mul_(gradients, factor)

    def clear(self) -> None:
        """Forget every gradient, and expect the same microbatches again."""
        for weight in self._weights.values():
            weight.grad = None
        self._early.clear()
        self._next = self._share.first
        self._counts_tied = True

    def _aside(self, backward: Callable[[], None]) -> list[Tensor | None]:
        """The gradients of a backward pass, while the sums stay as they are."""
        weights = list(self._weights.values())
        sums = [weight.grad for weight in weights]
        for weight in weights:
            weight.grad = None
        backward()
        own = [weight.grad for weight in weights]
        for weight, total in zip(weights, sums, strict=True):
            weight.grad = total
        return own

    def _add(self, gradients: list[Tensor | None]) -> None:
        for weight, gradient in zip(self._weights.values(), gradients, strict=True):
            if gradient is None:
                continue
            weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)


def _sum_of(weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad
