# SPDX-License-Identifier: Apache-2.0
"""Evaluate held-out rows without training: their loss, and of pairs how far their sides are apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from node0.finetune.training.reference import Reference
from node0.models.loss import dpo_loss_from_logps
from node0.pipeline.protocol import IGNORE, Microbatch, Pipeline, Preference
from node0.pipeline.ranks import ALONE, Ranks


@dataclass(frozen=True, slots=True)
class Validation:
    """What a model makes of held-out rows; means over supervised tokens, or over pairs."""

    loss: float
    margin: float | None = None
    "Of pairs: log probability of the chosen answer less that of the rejected one, in nats."

    accuracy: float | None = None
    "Of pairs: share whose margin is above the reference's, or above 0 without a reference."

    chosen_logp: float | None = None
    "Of pairs: log probability of the chosen answer, in nats; a margin may grow while it falls."


def validate_tokens(
    pipeline: Pipeline, held_out: Sequence[Microbatch], *, ranks: Ranks = ALONE
) -> Validation:
    """Mean cross-entropy over supervised tokens; each rank scores its share."""
    total, count = 0.0, 0
    for microbatch in _own(held_out, ranks):
        total -= float(pipeline.score(microbatch).cpu().double().sum())
        count += int((microbatch.labels != IGNORE).sum())
    (loss,) = _means([total], count, ranks)
    return Validation(loss)


def validate_pairs(
    pipeline: Pipeline,
    held_out: Sequence[Microbatch],
    *,
    preference: Preference,
    reference: Reference | None,
    ranks: Ranks = ALONE,
) -> Validation:
    """Mean DPO loss, margin and accuracy over pairs; each rank scores its share."""
    sums, count = [0.0] * 4, 0
    for microbatch in _own(held_out, ranks):
        logps = pipeline.score(microbatch).sum(dim=1).cpu()
        before = logps.new_zeros(logps.shape) if reference is None else reference.logps([microbatch])
        losses = dpo_loss_from_logps(
            logps[0::2],
            logps[1::2],
            beta=preference.beta,
            reference_chosen_logps=before[0::2],
            reference_rejected_logps=before[1::2],
            reduction="none",
        )
        margins = logps[0::2] - logps[1::2]
        is_above = margins > before[0::2] - before[1::2]
        for place, values in enumerate((losses, margins, is_above, logps[0::2])):
            sums[place] += float(values.double().sum())
        count += len(margins)
    return Validation(*_means(sums, count, ranks))


def _own(held_out: Sequence[Microbatch], ranks: Ranks) -> list[Microbatch]:
    return [microbatch for index, microbatch in enumerate(held_out) if index in ranks.share]


def _means(sums: Sequence[float], count: int, ranks: Ranks) -> list[float]:
    *totals, everyone = ranks.total([*sums, count])
    return [total / max(1.0, everyone) for total in totals]
