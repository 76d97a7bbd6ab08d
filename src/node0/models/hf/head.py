# SPDX-License-Identifier: Apache-2.0
"""The LM head of a transformers model by itself, with whatever its family does to logits."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from node0.models.hf.hf_arguments import vocabulary_of

CHUNK_LOGITS = 1 << 22
"float32 logits alive at a time, as in our own head."


class _Rows:
    """Stands where a model's own code calls its layers, or a part of them, and gives what they gave."""

    def __init__(self, layers: nn.Module, output: Any) -> None:
        self._layers, self._output = layers, output

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self._output

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._layers, name)
        return _Rows(found, self._output) if isinstance(found, nn.Module) else found


def rows_to_logits(model: PreTrainedModel, kind: type[Any], rows: Tensor) -> Tensor:
    """float32 (rows, vocab), by the forward pass of `model` with `rows` (rows, width) in place of its layers.

    Biases, scales and caps of logits differ from family to family and are its own affair.

    Args:
        model: its weights are used as they are.
        kind: what its layers return, in which `last_hidden_state` is replaced.
        rows: what its layers gave, final norm included.
    """
    head = copy.copy(model)
    layers = _Rows(model.base_model, kind(last_hidden_state=rows[None]))
    head.__dict__["_modules"] = {**model._modules, model.base_model_prefix: layers}
    ids = torch.zeros((1, rows.shape[0]), dtype=torch.int64, device=rows.device)
    return head(input_ids=ids, use_cache=False).logits[0].float()  # type: ignore[no-any-return]  # calls of modules are Any


def rows_to_logps(model: PreTrainedModel, kind: type[Any], rows: Tensor, labels: Tensor) -> Tensor:
    """Log probability of each label, float32 (rows,), in chunks whose logits are made again in backward."""
    step = max(1, CHUNK_LOGITS // vocabulary_of(model))

    def chunk_logps(part: Tensor, wanted: Tensor) -> Tensor:
        logps = torch.log_softmax(rows_to_logits(model, kind, part), dim=-1)
        return logps.gather(1, wanted[:, None]).squeeze(1)

    parts = [
        checkpoint(chunk_logps, part, wanted, use_reentrant=False, preserve_rng_state=False)
        for part, wanted in zip(torch.split(rows, step), torch.split(labels, step), strict=True)
    ]
    return torch.cat(parts)
