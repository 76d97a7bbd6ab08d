# SPDX-License-Identifier: Apache-2.0
"""Losses on whole logits. Labels are aligned to their logits: `labels[t]` is what `logits[t]` predicts."""

import torch
from torch import Tensor
from torch.nn import functional

IGNORE = -100
"Label of a position that is not trained on."


def sft_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over supervised positions, float32 scalar; 0 where there are none.

    logits (..., vocab), labels int64 (...,) with IGNORE where not supervised.
    """
    flat = labels.reshape(-1)
    total = functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), flat, ignore_index=IGNORE, reduction="sum"
    )
    return total / (flat != IGNORE).sum().clamp(min=1)


def sequence_logps(logits: Tensor, labels: Tensor) -> Tensor:
    """Log probability of each row's supervised labels together, float32 (rows,)."""
    supervised = labels != IGNORE
    logps = torch.log_softmax(logits.float(), dim=-1)
    chosen = logps.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return torch.where(supervised, chosen, torch.zeros_like(chosen)).sum(-1)


def dpo_loss(
    chosen_logits: Tensor,
    rejected_logits: Tensor,
    chosen_labels: Tensor,
    rejected_labels: Tensor,
    beta: float = 0.1,
    reference_chosen_logps: Tensor | None = None,
    reference_rejected_logps: Tensor | None = None,
) -> Tensor:
    """Direct preference optimization (Rafailov et al. 2023, arXiv:2305.18290), mean over pairs.

    Logits (pairs, tokens, vocab), labels (pairs, tokens), reference log probabilities (pairs,).
    Without both references the loss is the reference-free one.
    """
    return dpo_loss_from_logps(
        sequence_logps(chosen_logits, chosen_labels),
        sequence_logps(rejected_logits, rejected_labels),
        beta=beta,
        reference_chosen_logps=reference_chosen_logps,
        reference_rejected_logps=reference_rejected_logps,
    )


def dpo_loss_from_logps(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    *,
    beta: float = 0.1,
    reference_chosen_logps: Tensor | None = None,
    reference_rejected_logps: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`dpo_loss` from log probabilities of whole sequences, each (pairs,). reduction: mean, sum or none."""
    margin = chosen_logps - rejected_logps
    if reference_chosen_logps is not None and reference_rejected_logps is not None:
        margin = margin - (reference_chosen_logps - reference_rejected_logps)
    losses = -functional.logsigmoid(beta * margin)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()
