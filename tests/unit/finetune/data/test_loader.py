# SPDX-License-Identifier: Apache-2.0
from typing import Any

import torch
from tiny_chat import entry, says, tiny_tokenizer, user

from node0.finetune.data.dataset import CorpusDataset, DatasetOptions
from node0.finetune.data.loader import make_dataloader
from node0.pipeline.protocol import IGNORE

TOKENIZER = tiny_tokenizer()
BARE: Any = DatasetOptions(profile_for=lambda role: None)
TALKS = [entry([user("q" * (5 + 7 * n % 50)), says(f"a{n}")], id=f"e{n}") for n in range(23)]
DATA = CorpusDataset(TALKS, "deacon", TOKENIZER, 64, options=BARE)
PAIRS = CorpusDataset(
    [entry([user("q" * n)], id=f"p{n}", chosen=[says("yes")], rejected=[says("never")]) for n in range(1, 8)],
    "deacon",
    TOKENIZER,
    64,
    options=DatasetOptions(mode="dpo", profile_for=lambda role: None),
)


def test_a_dataloader_pads_on_the_right_and_masks() -> None:
    batch = next(iter(make_dataloader(DATA, 4, shuffle=False)))

    widest = max(len(DATA[index]["input_ids"]) for index in range(4))
    assert batch["input_ids"].shape == batch["labels"].shape == batch["attention_mask"].shape == (4, widest)
    for row in range(4):
        n_tokens = len(DATA[row]["input_ids"])
        assert batch["attention_mask"][row].tolist() == [1] * n_tokens + [0] * (widest - n_tokens)
        assert (batch["labels"][row, n_tokens:] == IGNORE).all()


def test_a_dataloader_of_pairs_pads_both_sides() -> None:
    batch = next(iter(make_dataloader(PAIRS, 7, shuffle=False)))

    for side in ("chosen", "rejected"):
        assert (
            batch[f"{side}_ids"].shape
            == batch[f"{side}_labels"].shape
            == batch[f"{side}_attention_mask"].shape
        )


def test_shuffled_batches_hold_every_row_once() -> None:
    torch.manual_seed(0)
    batches = list(make_dataloader(DATA, 4))

    rows = [
        tuple(ids[mask == 1].tolist())
        for batch in batches
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]

    assert [len(batch["input_ids"]) for batch in batches] == [4, 4, 4, 4, 4, 3]
    assert sorted(rows) == sorted(tuple(item["input_ids"].tolist()) for item in DATA)
    assert rows != [tuple(item["input_ids"].tolist()) for item in DATA]
