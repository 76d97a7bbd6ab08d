# SPDX-License-Identifier: Apache-2.0
"""Pad rows on the right to the longest of their batch."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from node0.pipeline.protocol import IGNORE


def padded(rows: Iterable[Tensor], *, fill: int) -> Tensor:
    """Rows (tokens,) as one tensor (rows, tokens)."""
    return pad_sequence(list(rows), batch_first=True, padding_value=fill)


def padded_examples(examples: Sequence[dict[str, Tensor]], *, pad_id: int) -> dict[str, Tensor]:
    """A dataset's items as tensors (rows, tokens); each `*ids` gets an `*attention_mask`, 1 on tokens."""
    batch: dict[str, Tensor] = {}
    for name in examples[0]:
        fill = {"labels": IGNORE, "positions": 0}.get(name.rpartition("_")[2], pad_id)
        batch[name] = padded((example[name] for example in examples), fill=fill)
        if name.endswith("ids"):
            masks = (torch.ones_like(example[name]) for example in examples)
            batch[_mask_name(name)] = padded(masks, fill=0)
    return batch


def _mask_name(name: str) -> str:
    side = name.removesuffix("input_ids").removesuffix("ids")
    return f"{side}attention_mask"
