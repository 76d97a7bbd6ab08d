# SPDX-License-Identifier: Apache-2.0
"""The pipeline protocol: what trainer, evaluation and generation ask, wherever stages run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from torch import Tensor

from node0.models.loss import IGNORE as IGNORE


@dataclass(frozen=True, slots=True)
class Microbatch:
    """Rows of packed documents that go through the stages together."""

    input_ids: Tensor
    "int64 (rows, tokens)."

    positions: Tensor
    "int64 (rows, tokens); 0 starts a document, and a document never sees another. Padding is 0."

    labels: Tensor
    "int64 (rows, tokens); the id that should follow each input, or IGNORE. Already shifted."


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one optimizer step did."""

    loss_sum: float
    "Sum of the loss over supervised tokens (SFT, pretrain) or pairs (DPO)."

    n_tokens: int
    "Supervised tokens (or pairs) in the global batch."

    grad_norm: float
    "L2 norm of the averaged gradient over all stages, before clipping."

    skipped: bool = False
    "A gradient or the loss was not finite; no weight moved."

    stage_norms: tuple[float, ...] = ()
    "The same norm for each stage alone."


@dataclass(frozen=True, slots=True)
class Preference:
    """How pairs become a loss (Rafailov et al. 2023, arXiv:2305.18290).

    Row 2i of a microbatch is the chosen one of a pair, row 2i+1 the rejected one.
    """

    beta: float = 0.1
    reference_free: bool = False


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is drawn."""

    temperature: float = 1.0
    "0 is greedy."

    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None


class DecodingSession(Protocol):
    """One sequence being generated, with its cache on every stage."""

    def extend(self, ids: Sequence[int]) -> int:
        """Append these ids to the sequence, sample and return the next id (not yet appended).

        The draw depends on the seed and the sequence's length alone, so a rollback or a replay repeats it.
        """
        ...

    def rollback(self, length: int) -> None:
        """Forget all but the first `length` tokens of the sequence."""
        ...

    def __len__(self) -> int: ...

    def close(self) -> None:
        """Free the caches."""
        ...


@dataclass(frozen=True, slots=True)
class TrainStep:
    """Everything one optimizer step depends on besides the weights."""

    step: int
    "0-based; keys the dropout masks together with `seed`."

    lr: float
    seed: int = 0
    loss: Literal["sft", "dpo"] = "sft"
    preference: Preference = field(default_factory=Preference)
    reference_logps: Tensor | None = None
    "float32 (rows of all microbatches,), for DPO with a reference."


class Pipeline(Protocol):
    """All stages of one model."""

    def train_step(self, microbatches: Sequence[Microbatch], step: TrainStep) -> StepResult:
        """Forward, backward, one clipped optimizer step; skipped everywhere or nowhere."""
        ...

    def score(self, microbatch: Microbatch, *, adapter: bool = True) -> Tensor:
        """Log probability of each label: float32 (rows, tokens), 0 where not supervised."""
        ...

    def session(
        self, params: SamplingParams, *, max_length: int, adapter: str | None = None
    ) -> DecodingSession:
        """Open a sequence of at most `max_length` tokens. `adapter=None` is the one the pipeline has on."""
        ...

    def save(self, directory: Path) -> None:
        """Write all stages' trained weights and optimizer state below `directory`; same state, same bytes."""
        ...

    def load(self, directory: Path) -> None:
        """Read back what `save` wrote, whatever the number of stages was then."""
        ...

    def close(self) -> None:
        """Free what the stages hold."""
        ...
