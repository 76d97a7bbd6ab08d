# SPDX-License-Identifier: Apache-2.0
"""The DPO loss and its gradient, from the log probabilities of whole rows."""

import torch
from torch import Tensor

from node0.errors import ConfigError
from node0.models.loss import dpo_loss_from_logps
from node0.pipeline.protocol import Preference


def preference_loss(
    logps: Tensor, reference: Tensor | None, *, preference: Preference
) -> tuple[float, Tensor]:
    """Sum of the loss over pairs, and its gradient by row.

    logps: float32 (rows,), row 2i chosen and row 2i+1 rejected; reference: the same, of the reference
    model, or None for a reference-free loss.

    Raises:
        ConfigError: the rows are not pairs, or the reference has other rows.
    """
    if logps.shape[0] % 2:
        raise ConfigError(f"{logps.shape[0]} rows are not pairs; give chosen and rejected rows in turn")
    if reference is not None and reference.shape != logps.shape:
        raise ConfigError(
            f"{reference.shape[0]} reference rows for {logps.shape[0]} rows; score the same rows"
        )
    rows = logps.detach().float().requires_grad_()
    loss = dpo_loss_from_logps(
        rows[0::2],
        rows[1::2],
        beta=preference.beta,
        reference_chosen_logps=None if reference is None else reference[0::2].to(rows.device),
        reference_rejected_logps=None if reference is None else reference[1::2].to(rows.device),
        reduction="sum",
    )
    (gradient,) = torch.autograd.grad(loss, rows)
    return float(loss.detach()), gradient
