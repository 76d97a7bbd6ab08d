# SPDX-License-Identifier: Apache-2.0
"""Packed rows taken apart, each document a row, for models that carry something from token to token."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from node0.models.llama.attention import document_lengths

_LEAST_SHARE = 2
"Documents share a batch while the shortest is at least this part of the longest: at most half is padding."


@dataclass(frozen=True, slots=True)
class _Document:
    start: int
    length: int


def forward_documents(forward: Callable[[Tensor], Tensor], ids: Tensor, positions: Tensor) -> Tensor:
    """Hidden (rows, tokens, width) of packed `ids` (rows, tokens), from a `forward` that sees no packing.

    Padding stands behind a document, where a causal model never looks from inside of it, so it needs no mask.

    Args:
        forward: ids (documents, tokens) to hidden (documents, tokens, width).
        ids: int64 (rows, tokens).
        positions: int64 (rows, tokens); 0 starts a document.
    """
    flat = ids.flatten()
    outputs: list[Tensor] = []
    places: list[Tensor] = []
    for batch in _batches(_documents(positions)):
        length = torch.tensor([document.length for document in batch], device=ids.device)
        start = torch.tensor([document.start for document in batch], device=ids.device)
        offset = torch.arange(int(length.max()), device=ids.device)
        # The last token again stands for padding: any id will do, and this one exists.
        place = start[:, None] + torch.minimum(offset[None, :], length[:, None] - 1)
        real = offset[None, :] < length[:, None]  # (documents, tokens)
        outputs.append(forward(flat[place])[real])
        places.append(place[real])
    back = torch.argsort(torch.cat(places))
    return torch.cat(outputs).index_select(0, back).view(*ids.shape, -1)


def _documents(positions: Tensor) -> Iterator[_Document]:
    start = 0
    for length in document_lengths(positions):
        yield _Document(start, length)
        start += length


def _batches(documents: Iterator[_Document]) -> Iterator[list[_Document]]:
    """Longest first, each batch with documents of about one length."""
    batch: list[_Document] = []
    for document in sorted(documents, key=lambda each: (-each.length, each.start)):
        if batch and document.length * _LEAST_SHARE < batch[0].length:
            yield batch
            batch = []
        batch.append(document)
    yield batch
