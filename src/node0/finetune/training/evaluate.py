# SPDX-License-Identifier: Apache-2.0
"""Evaluate losses without training: validation, and the reference of DPO."""

import hashlib
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from node0.models.loss import dpo_loss_from_logps
from node0.pipeline.protocol import IGNORE, Microbatch, Pipeline, Preference
from node0.pipeline.ranks import ALONE, Ranks
from node0.server.stage.gradient_sums import Share

EVERY = Share()
"All microbatches, as one process alone takes them."


class Reference:
    """Log probability that the model gave each answer before this run, computed once a pair.

    With `adapter=False` that is the base under an adapter, at any time; otherwise the values must be
    asked for before the first step. A pair is scored by itself, without its neighbours' padding, so
    that its value does not depend on the microbatch in which it is met first and a resumed run finds
    the same.
    """

    def __init__(self, pipeline: Pipeline, *, adapter: bool = False) -> None:
        self._pipeline = pipeline
        self._adapter = adapter
        self._known: dict[bytes, Tensor] = {}

    def logps(self, microbatches: Sequence[Microbatch], share: Share = EVERY) -> Tensor:
        """float32 (rows of all microbatches,): summed over supervised tokens; NaN outside `share`."""
        parts: list[Tensor] = []
        for index, microbatch in enumerate(microbatches):
            if index in share:
                parts += [self._pair(pair) for pair in _pairs(microbatch)]
            else:
                parts.append(torch.full((microbatch.labels.shape[0],), torch.nan))
        return torch.cat(parts)

    def learn(self, microbatches: Iterable[Microbatch], ranks: Ranks) -> None:
        """Ask for every pair of these now: each rank scores its share, then all know all."""
        pairs = {_digest(pair): pair for microbatch in microbatches for pair in _pairs(microbatch)}
        found = torch.zeros(len(pairs), 2)
        for index, pair in enumerate(pairs.values()):
            if index in ranks.share:
                found[index] = self._score(pair)
        ranks.add_up([found])
        self._known |= dict(zip(pairs, found.unbind(), strict=True))

    def _pair(self, pair: Microbatch) -> Tensor:
        key = _digest(pair)
        if key not in self._known:
            self._known[key] = self._score(pair)
        return self._known[key]

    def _score(self, pair: Microbatch) -> Tensor:
        return self._pipeline.score(pair, adapter=self._adapter).sum(dim=1).cpu()


def token_loss(pipeline: Pipeline, held_out: Sequence[Microbatch], *, ranks: Ranks = ALONE) -> float:
    """Mean cross-entropy over supervised tokens; each rank scores its share."""
    total, count = 0.0, 0
    for microbatch in _own(held_out, ranks):
        total -= float(pipeline.score(microbatch).cpu().double().sum())
        count += int((microbatch.labels != IGNORE).sum())
    return _mean(total, count, ranks)


def pair_loss(
    pipeline: Pipeline,
    held_out: Sequence[Microbatch],
    *,
    preference: Preference,
    reference: Reference | None,
    ranks: Ranks = ALONE,
) -> float:
    """Mean DPO loss over pairs; each rank scores its share."""
    total, count = 0.0, 0
    for microbatch in _own(held_out, ranks):
        logps = pipeline.score(microbatch).sum(dim=1).cpu()
        chosen, rejected = logps[0::2], logps[1::2]
        before = None if reference is None else reference.logps([microbatch])
        loss = dpo_loss_from_logps(
            chosen,
            rejected,
            beta=preference.beta,
            reference_chosen_logps=None if before is None else before[0::2],
            reference_rejected_logps=None if before is None else before[1::2],
        )
        total += float(loss) * len(chosen)
        count += len(chosen)
    return _mean(total, count, ranks)


def _own(held_out: Sequence[Microbatch], ranks: Ranks) -> list[Microbatch]:
    return [microbatch for index, microbatch in enumerate(held_out) if index in ranks.share]


def _mean(total: float, count: int, ranks: Ranks) -> float:
    total, everyone = ranks.total([total, count])
    return total / max(1.0, everyone)


def _pairs(microbatch: Microbatch) -> list[Microbatch]:
    """Each pair of rows alone, cut after its last supervised token."""
    found = []
    for row in range(0, microbatch.labels.shape[0], 2):
        labels = microbatch.labels[row : row + 2]
        length = int((labels != IGNORE).any(dim=0).nonzero().max()) + 1
        rows = (slice(row, row + 2), slice(0, length))
        found.append(Microbatch(microbatch.input_ids[rows], microbatch.positions[rows], labels[:, :length]))
    return found


def _digest(pair: Microbatch) -> bytes:
    hasher = hashlib.sha256()
    for tensor in (pair.input_ids, pair.labels):
        hasher.update(str(tuple(tensor.shape)).encode())
        hasher.update(tensor.cpu().contiguous().numpy().tobytes())
    return hasher.digest()
