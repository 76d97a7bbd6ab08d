# SPDX-License-Identifier: Apache-2.0
"""The order of training: global batches of packed microbatches that follow from the seed."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from node0.errors import BadCheckpoint, BadCorpus
from node0.finetune.data.dataset import CorpusDataset
from node0.finetune.data.packing import pack, steps
from node0.finetune.data.padding import padded
from node0.pipeline.protocol import IGNORE, Microbatch

Step = list[list[list[int]]]
"Per microbatch, per row, the indices of its documents."


class MicrobatchSource:
    """Global batches in an order that follows from the seed; an iterator that can be resumed exactly.

    Each epoch packs and orders anew. A step holds at most `microbatches_per_step` microbatches of
    about equal real tokens; a microbatch's rows times its width stay within `tokens_per_microbatch`,
    unless one row alone is wider. Pairs are not packed: row 2i is the chosen side, 2i+1 the rejected.

    Raises:
        BadCorpus: The dataset is empty.
    """

    def __init__(
        self,
        dataset: CorpusDataset,
        *,
        tokens_per_microbatch: int,
        microbatches_per_step: int = 1,
        packing: bool = True,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        if not len(dataset):
            raise BadCorpus(
                "a dataset without rows cannot be trained on: collect sessions, or widen `select`"
            )
        self.dataset = dataset
        self.tokens_per_microbatch = tokens_per_microbatch
        self.microbatches_per_step = microbatches_per_step
        self.packing = packing and dataset.options.mode != "dpo"
        self.seed = seed
        self.shuffle = shuffle
        self.step = 0
        "Steps taken so far."
        self._epochs: dict[int, list[Step]] = {}
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[list[Microbatch]]:
        return self

    def __next__(self) -> list[Microbatch]:
        batch = self.batch(self.step)
        self.step += 1
        return batch

    def batch(self, step: int) -> list[Microbatch]:
        """The microbatches of a step, whatever was asked before."""
        return [self._microbatch(rows) for rows in self._plan(step)]

    def units(self, step: int) -> list[list[int]]:
        """Per microbatch of a step, the dataset indices of its documents or pairs, row by row."""
        return [[index for row in rows for index in row] for rows in self._plan(step)]

    def steps_in_epoch(self, epoch: int = 0) -> int:
        """Steps that pass over every row once."""
        return len(self._epoch(epoch))

    def total_steps(self, epochs: float) -> int:
        """Steps of this many epochs, at least one."""
        whole = sum(self.steps_in_epoch(epoch) for epoch in range(int(epochs)))
        part = (epochs - int(epochs)) * self.steps_in_epoch(int(epochs)) if epochs != int(epochs) else 0.0
        return max(1, whole + round(part))

    def epoch(self, number: int = 0) -> Iterator[Microbatch]:
        """All microbatches of one epoch."""
        for step in self._epoch(number):
            yield from map(self._microbatch, step)

    def seen(self) -> Counter[str]:
        """How often each entry was trained on so far, by id; once an epoch at most."""
        counts: Counter[str] = Counter()
        done, epoch = 0, 0
        while done < self.step:
            taken = self._epoch(epoch)[: self.step - done]
            owners = self.dataset.owners
            counts.update({owners[index] for step in taken for rows in step for row in rows for index in row})
            done, epoch = done + len(self._epoch(epoch)), epoch + 1
        return counts

    def state(self) -> dict[str, Any]:
        """The position, as JSON values."""
        return {"step": self.step, "data": self._fingerprint()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a position that `state` gave.

        Raises:
            BadCheckpoint: It was of other data, another seed or another batch size.
        """
        if state["data"] != self._fingerprint():
            raise BadCheckpoint(
                "the data position belongs to other entries, another tokenizer, seed or batch size: resume "
                "with the settings and the corpus of the run, or start a new one"
            )
        self.step = int(state["step"])

    def _fingerprint(self) -> str:
        settings = [
            self.tokens_per_microbatch,
            self.microbatches_per_step,
            self.packing,
            self.seed,
            self.shuffle,
            self.dataset.max_length,
        ]
        return hashlib.sha256(f"{self.dataset.digest}{json.dumps(settings)}".encode()).hexdigest()

    def _plan(self, step: int) -> Step:
        while not self._ends or self._ends[-1] <= step:
            before = self._ends[-1] if self._ends else 0
            self._ends.append(before + len(self._epoch(len(self._ends))))
        epoch = next(number for number, end in enumerate(self._ends) if step < end)
        return self._epoch(epoch)[step - (self._ends[epoch - 1] if epoch else 0)]

    def _epoch(self, number: int) -> list[Step]:
        if number not in self._epochs:
            # Two epochs may be asked for in turn where one ends.
            while len(self._epochs) > 1:
                self._epochs.pop(next(iter(self._epochs)))
            self._epochs[number] = self._planned(number)
        return self._epochs[number]

    def _planned(self, number: int) -> list[Step]:
        lengths = self.dataset.lengths
        order = list(range(len(lengths)))
        draw = random.Random(f"{self.seed}/{number}")
        if self.shuffle:
            draw.shuffle(order)
        rows = [[index] for index in order]
        if self.packing:
            rows = pack(lengths, self.dataset.max_length, order=order)
            if self.shuffle:
                draw.shuffle(rows)
        sides = 2 if self.dataset.options.mode == "dpo" else 1
        widths = [sides * sum(lengths[index] for index in row) for row in rows]
        planned = steps(
            widths,
            microbatches=self.microbatches_per_step,
            tokens=self.tokens_per_microbatch,
            order=range(len(rows)),
        )
        return [[[rows[row] for row in members] for members in step] for step in planned]

    def _microbatch(self, rows: Sequence[Sequence[int]]) -> Microbatch:
        parts = [side for row in rows for side in self._row(row)]
        ids, labels, positions = zip(*parts, strict=True)
        return Microbatch(
            input_ids=padded(ids, fill=self.dataset.pad_id),
            positions=padded(positions, fill=0),
            labels=padded(labels, fill=IGNORE),
        )

    def _row(self, row: Sequence[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Ids, labels and positions (tokens,) of a row of documents, or of a pair's two rows."""
        examples = [self.dataset[index] for index in row]
        if self.dataset.options.mode == "dpo":
            (pair,) = examples
            return [
                (pair[f"{side}_ids"], pair[f"{side}_labels"], torch.arange(len(pair[f"{side}_ids"])))
                for side in ("chosen", "rejected")
            ]
        names = ("input_ids", "labels", "positions")
        ids, labels, positions = (torch.cat([example[name] for example in examples]) for name in names)
        return [(ids, labels, positions)]
