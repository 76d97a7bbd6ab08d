# SPDX-License-Identifier: Apache-2.0
"""Log probabilities and loss of the LM head, in chunks of rows.

The (rows, vocabulary) matrix never exists as a whole: each chunk's logits are made, used for the
loss and for the gradient at once, and dropped. With a frozen head nothing is computed twice.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_LOGITS = 1 << 22
"float32 logits alive at a time: 16 MiB stays near the caches and keeps products large."

CHUNK_LOGITS_ON_GPU = 1 << 26
"256 MiB: with fewer rows a GPU would wait for the head's weight, which each chunk reads anew."


def head_loss(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Sum of cross-entropies, float32 scalar. hidden (rows, width), weight (vocab, width), labels (rows,)."""
    differentiable = torch.is_grad_enabled()
    loss = _HeadLoss.apply(hidden, weight, labels, differentiable)  # type: ignore[no-untyped-call]  # torch types no `apply`
    return cast(Tensor, loss)


def head_logps(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Log probability of each label, float32 (rows,). Shapes as in `head_loss`."""
    differentiable = torch.is_grad_enabled()
    logps = _HeadLogps.apply(hidden, weight, labels, differentiable)  # type: ignore[no-untyped-call]  # torch types no `apply`
    return cast(Tensor, logps)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, differentiable: bool) -> Tensor:
        want_hidden = differentiable and ctx.needs_input_grad[0]
        want_weight = differentiable and ctx.needs_input_grad[1]
        grad_hidden = torch.empty_like(hidden) if want_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if want_weight else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for rows in _chunks(hidden, weight):
            logits, logps = _logps(hidden[rows], weight, labels[rows])
            total -= logps.sum()
            if want_hidden or want_weight:
                _gradient(logits, labels[rows], hidden[rows], weight, rows, grad_hidden, grad_weight)
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight = ctx.saved_tensors
        scale = grad_outputs[0]
        return (
            None if grad_hidden is None else grad_hidden * scale.to(grad_hidden.dtype),
            None if grad_weight is None else (grad_weight * scale).to(ctx.weight_dtype),
            None,
            None,
        )


class _HeadLogps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, differentiable: bool) -> Tensor:
        want_weight = differentiable and ctx.needs_input_grad[1]
        want_hidden = differentiable and ctx.needs_input_grad[0] and not want_weight
        grad_hidden = torch.empty_like(hidden) if want_hidden else None
        result = torch.empty(labels.shape, dtype=torch.float32, device=hidden.device)
        for rows in _chunks(hidden, weight):
            logits, result[rows] = _logps(hidden[rows], weight, labels[rows])
            if want_hidden:
                _gradient(logits, labels[rows], hidden[rows], weight, rows, grad_hidden, None)
        # A trainable head's gradient mixes rows, whose weights are known in backward only.
        ctx.save_for_backward(grad_hidden, *((hidden, weight, labels) if want_weight else ()))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, *trainable = ctx.saved_tensors
        # What the chunks keep is the gradient of the loss, the negative of the log probability.
        scale = -grad_outputs[0]
        if not trainable:
            scaled = None if grad_hidden is None else grad_hidden * scale[:, None].to(grad_hidden.dtype)
            return scaled, None, None, None
        hidden, weight, labels = trainable
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight, dtype=torch.float32)
        for rows in _chunks(hidden, weight):
            logits, _ = _logps(hidden[rows], weight, labels[rows])
            _gradient(logits, labels[rows], hidden[rows], weight, rows, grad_hidden, grad_weight, scale[rows])
        return grad_hidden, grad_weight.to(weight.dtype), None, None


def _chunks(hidden: Tensor, weight: Tensor) -> Iterator[slice]:
    logits = CHUNK_LOGITS_ON_GPU if hidden.is_cuda else CHUNK_LOGITS
    step = max(1, logits // weight.shape[0])
    for start in range(0, hidden.shape[0], step):
        yield slice(start, min(start + step, hidden.shape[0]))


def _logps(hidden: Tensor, weight: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Log-softmax of the chunk (rows, vocab), float32, and its entries at the labels (rows,)."""
    logps = torch.log_softmax((hidden @ weight.t()).float(), dim=-1)
    return logps, logps.gather(1, labels[:, None]).squeeze(1)


def _gradient(  # noqa: PLR0913, PLR0917  # one step of a loop over chunks
    logps: Tensor,
    labels: Tensor,
    hidden: Tensor,
    weight: Tensor,
    rows: slice,
    grad_hidden: Tensor | None,
    grad_weight: Tensor | None,
    scale: Tensor | None = None,
) -> None:
    """Add this chunk's part of d(loss)/d(hidden) and d(loss)/d(weight). Overwrites `logps`."""
    residual = logps.exp_()
    residual[torch.arange(labels.shape[0], device=labels.device), labels] -= 1.0
    if scale is not None:
        residual *= scale[:, None]
    narrow = residual.to(weight.dtype)
    if grad_hidden is not None:
        torch.mm(narrow, weight, out=grad_hidden[rows])
    if grad_weight is not None:
        grad_weight += narrow.t() @ hidden
