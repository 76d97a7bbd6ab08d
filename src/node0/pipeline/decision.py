# SPDX-License-Identifier: Apache-2.0
"""Decide from all stages' totals whether a step is made, skipped or clipped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from node0.pipeline.protocol import StepResult

CLIP_EPS = 1e-6
"Added to the norm that a clip divides by, as `torch.nn.utils.clip_grad_norm_` does."


@dataclass(frozen=True, slots=True)
class Totals:
    """What the microbatches of a global batch add up to, before any weight moves."""

    loss_sum: float = 0.0
    count: int = 0
    "Supervised tokens, or pairs."

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(self.loss_sum + other.loss_sum, self.count + other.count)


@dataclass(frozen=True, slots=True)
class Decision:
    """What every stage does with its sums."""

    scale: float | None
    "Factor of the sums: the average, clipped. None skips the step."

    grad_norm: float
    stage_norms: tuple[float, ...]
    reason: str | None = None
    "Why the step is skipped."

    def result(self, totals: Totals) -> StepResult:
        """The step as the trainer hears of it."""
        return StepResult(
            totals.loss_sum,
            totals.count,
            self.grad_norm,
            skipped=self.scale is None,
            stage_norms=self.stage_norms,
        )


def decide(
    totals: Totals,
    squared_norms: Sequence[float],
    *,
    finite: Sequence[bool],
    max_grad_norm: float | None,
) -> Decision:
    """Clip by the norm over all stages, or skip where anything is not finite.

    `squared_norms` are of the sums, one a stage; the average divides them by the supervised tokens.
    """
    count = max(totals.count, 1)
    norms = tuple(math.sqrt(squared) / count for squared in squared_norms)
    norm = math.sqrt(sum(squared_norms)) / count
    reason = _reason_to_skip(totals, finite)
    if reason is not None:
        return Decision(None, norm, norms, reason)
    return Decision(_clip(norm, max_grad_norm) / count, norm, norms)


def _reason_to_skip(totals: Totals, finite: Sequence[bool]) -> str | None:
    if totals.count == 0:
        return "the global batch has no supervised token"
    if not math.isfinite(totals.loss_sum):
        return f"the loss is {totals.loss_sum}"
    bad = [str(stage) for stage, is_finite in enumerate(finite) if not is_finite]
    return f"gradients of stage {', '.join(bad)} are not finite" if bad else None


def _clip(norm: float, max_norm: float | None) -> float:
    return 1.0 if max_norm is None else min(1.0, max_norm / (norm + CLIP_EPS))
