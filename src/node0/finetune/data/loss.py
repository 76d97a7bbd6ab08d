# SPDX-License-Identifier: Apache-2.0
"""The losses, under the name that the plan gives them."""

from node0.models.loss import IGNORE, dpo_loss, dpo_loss_from_logps, sequence_logps, sft_loss

__all__ = ["IGNORE", "dpo_loss", "dpo_loss_from_logps", "sequence_logps", "sft_loss"]
