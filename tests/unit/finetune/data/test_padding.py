# SPDX-License-Identifier: Apache-2.0
import torch

from node0.finetune.data.padding import padded, padded_examples
from node0.pipeline.protocol import IGNORE


def test_rows_are_filled_on_the_right_to_the_longest() -> None:
    rows = [torch.tensor([1, 2, 3]), torch.tensor([4])]

    assert padded(rows, fill=9).tolist() == [[1, 2, 3], [4, 9, 9]]


def test_each_part_of_an_example_has_its_own_fill() -> None:
    examples = [
        {"input_ids": torch.tensor(ids), "labels": torch.tensor(ids), "positions": torch.tensor(ids)}
        for ids in ([5, 6], [7])
    ]

    batch = padded_examples(examples, pad_id=3)

    assert batch["input_ids"].tolist() == [[5, 6], [7, 3]]
    assert batch["labels"].tolist() == [[5, 6], [7, IGNORE]]
    assert batch["positions"].tolist() == [[5, 6], [7, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]


def test_both_sides_of_a_pair_have_a_mask_of_their_own() -> None:
    examples = [
        {"chosen_ids": torch.tensor(ours), "rejected_ids": torch.tensor(theirs)}
        for ours, theirs in (([1], [1, 2]), ([1, 2, 3], [1]))
    ]

    batch = padded_examples(examples, pad_id=0)

    assert batch["chosen_attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch["rejected_attention_mask"].tolist() == [[1, 1], [1, 0]]
