# SPDX-License-Identifier: Apache-2.0
"""A plain DataLoader, under the name that the plan gives it. Training draws from `MicrobatchSource`."""

from functools import partial

from torch import Tensor
from torch.utils.data import DataLoader

from node0.finetune.data.dataset import CorpusDataset
from node0.finetune.data.padding import padded_examples


def make_dataloader(
    dataset: CorpusDataset, batch_size: int, shuffle: bool = True
) -> DataLoader[dict[str, Tensor]]:
    """Batches (rows, tokens), padded on the right to the longest of the batch.

    Each `*ids` comes with `*labels` and an `*attention_mask` that is 1 on tokens.
    """
    collate = partial(padded_examples, pad_id=dataset.pad_id)
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, collate_fn=collate)
