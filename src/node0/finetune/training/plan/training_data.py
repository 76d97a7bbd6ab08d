# SPDX-License-Identifier: Apache-2.0
"""The protocol of a trainer's data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from node0.finetune.run_dir import EntryUse
from node0.pipeline.protocol import Microbatch


class Steps(Protocol):
    """Microbatches of one optimizer step after another, in an order that the seed fixes."""

    def __next__(self) -> list[Microbatch]:
        """The next step's microbatches."""
        ...

    def epoch(self, number: int = 0) -> Iterator[Microbatch]:
        """All microbatches of one pass over the data, whatever the position."""
        ...

    def total_steps(self, epochs: float) -> int:
        """Optimizer steps of this many passes, at least one."""
        ...

    def state(self) -> dict[str, Any]:
        """The position, as JSON values."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a position that `state` gave."""
        ...

    def seen(self) -> Mapping[str, int]:
        """How often each entry has been trained on so far, by id."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Everything that a run reads."""

    steps: Steps
    held_out: Sequence[Microbatch]
    entries: Sequence[EntryUse]
    kept: int
    "Entries taken."

    dropped: Mapping[str, int]
    "Entries left out, counted by reason."

    examples: int
    tokens: int
    "Of the training rows, without padding."

    supervised: int
    "Of them, those whose prediction is trained; pairs for DPO."

    corpus_hash: str
    left_out: int = 0
    "Entries that would be taken too, had the run not begun with a list without them."
