# SPDX-License-Identifier: Apache-2.0
"""Whether a model keeps the documents of a packed row apart, found out from the model itself."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.masking_utils import create_masks_for_generate

Forward = Callable[..., Tensor]
"ids (rows, tokens), and `positions` where documents are packed, to hidden (rows, tokens, width)."

_LENGTHS = (9, 7)
"Tokens of the two documents that are tried."

TRIAL_BOUNDS = {torch.float32: 0.01, torch.float64: 0.01}
NARROW_BOUND = 0.1
"Of what documents that do see each other differ by, the part that rounding may make, by type."

logger = logging.getLogger(__name__)


def packed_inputs(model: PreTrainedModel, ids: Tensor, positions: Tensor) -> dict[str, Any]:
    """What a model is given of a packed row: positions that restart, and its masks.

    The masks are those that transformers makes for all of its layers: causal, within a window or a chunk
    where a layer has one, and block-diagonal where positions restart.
    """
    shape = torch.empty((*ids.shape, 1), dtype=model.dtype, device=ids.device)
    masks = create_masks_for_generate(model.config, shape, None, None, positions)
    return {"position_ids": positions, "attention_mask": masks}


@torch.no_grad()
def keeps_documents_apart(
    forward: Forward, vocab_size: int, dtype: torch.dtype, device: torch.device
) -> bool:
    """Whether two documents in a row give what each gives alone.

    What they differ by is measured against what the same two differ by as one document.
    """
    first, second = trial_ids(vocab_size, device)
    row = torch.cat([first, second], dim=1)
    alone = torch.cat([forward(first), forward(second)], dim=1)
    positions = torch.cat([torch.arange(length, device=device) for length in _LENGTHS])[None]
    try:
        packed = forward(row, positions=positions)
    except Exception as error:  # noqa: BLE001  # a family that takes no such mask fails wherever it uses it
        logger.info("packed rows are not taken (%s: %s)", type(error).__name__, str(error)[:100])
        return False
    leaking = float((forward(row) - alone).abs().max())
    return float((packed - alone).abs().max()) <= leaking * TRIAL_BOUNDS.get(dtype, NARROW_BOUND)


def trial_ids(vocab_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two documents of ids that are spread over the vocabulary, each int64 (1, tokens)."""
    ids = (torch.arange(sum(_LENGTHS), device=device)[None] * 7919 + 11) % vocab_size
    return ids[:, : _LENGTHS[0]], ids[:, _LENGTHS[0] :]
