# SPDX-License-Identifier: Apache-2.0
"""The reference of DPO: log probabilities that a model gave before the run, scored once a pair and kept."""

import hashlib
import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from node0.documents.json_lines import read_json_lines, write_json_lines
from node0.files import open_to_append, sha256_of
from node0.finetune.training.plan.run_plan import RunPlan
from node0.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from node0.pipeline.protocol import IGNORE, Microbatch, Pipeline
from node0.pipeline.ranks import ALONE, Ranks

CHUNK = 64
"Pairs that are scored between two writes: what a run that is stopped meanwhile may lose."

SEAL = "sha256"
"Of the rest of a line."

logger = logging.getLogger(__name__)


class Reference:
    """What the reference model makes of every pair of a run."""

    def __init__(self, scores: Mapping[str, Tensor]) -> None:
        self._scores = scores

    def logps(self, microbatches: Iterable[Microbatch]) -> Tensor:
        """float32 (rows of all microbatches,): summed over supervised tokens."""
        pairs = (pair for microbatch in microbatches for pair in _pairs(microbatch))
        return torch.cat([self._scores[_digest(pair)] for pair in pairs])


class KeptScores:
    """A file of scores, a pair a line with its sha256; those of other models, and changed lines, are none.

    float32 values survive being written as JSON, so whoever reads them gets the same bits.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model

    def read(self) -> dict[str, Tensor]:
        """Scores by digest of their pair, float32 (2,). The file is left with these alone, each on a line."""
        mine = [row for row in read_json_lines(self._path, Counter()) if row.get("model") == self._model]
        good = [row for row in mine if _is_whole(row)]
        if len(good) < len(mine):
            logger.warning(
                "reference: %d scores in %s are not as they were written; they are scored again",
                len(mine) - len(good),
                self._path,
            )
        if self._path.is_file():
            write_json_lines(self._path, good)
        return {row["pair"]: torch.tensor([row["chosen"], row["rejected"]]) for row in good}

    def add(self, scores: Mapping[str, Tensor]) -> None:
        """Append these; a score that is not finite is left to be found again."""
        with open_to_append(self._path) as file:
            for pair, score in scores.items():
                chosen, rejected = score.tolist()
                if math.isfinite(chosen) and math.isfinite(rejected):
                    row = {"model": self._model, "pair": pair, "chosen": chosen, "rejected": rejected}
                    file.write(f"{json.dumps({**row, SEAL: _seal(row)})}\n".encode())


def learn_reference(
    pipeline: Pipeline,
    microbatches: Iterable[Microbatch],
    kept: KeptScores,
    *,
    adapter: bool,
    ranks: Ranks = ALONE,
) -> Reference:
    """Score each pair that `kept` does not know; each rank scores its share, then all know all.

    A pair is scored by itself, without its neighbours' padding, so that its value does not depend on
    the microbatch in which it is met first.

    Args:
        pipeline: the model.
        microbatches: every pair that will be asked for.
        kept: read and written by the rank that leads.
        adapter: False for the base under an adapter, which is there at any time; else no weight may
            have moved yet.
        ranks: who shares the work.
    """
    pairs = {_digest(pair): pair for microbatch in microbatches for pair in _pairs(microbatch)}
    scores = _known(pairs, kept, ranks)
    missing = [digest for digest in pairs if digest not in scores]
    logger.info("reference: %d pairs are known, %d are scored", len(scores), len(missing))
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        found = torch.zeros(len(chunk), 2)
        for index, digest in enumerate(chunk):
            if index in ranks.share:
                found[index] = pipeline.score(pairs[digest], adapter=adapter).sum(dim=1).cpu()
        ranks.add_up([found])
        fresh = dict(zip(chunk, found.unbind(), strict=True))
        scores |= fresh
        if ranks.leads:
            kept.add(fresh)
    return Reference(scores)


def reference_model(plan: RunPlan) -> str:
    """What tells one reference model from another: its base, precision, and the adapter it starts with."""
    facts = [plan.base_digest, str(plan.dtype)]
    if plan.config.quantize is not None:
        facts.append(plan.config.quantize)
    if (start := plan.config.init_adapter) is not None:
        facts += [sha256_of(start / name) for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _is_whole(row: Mapping[str, Any]) -> bool:
    said = {name: value for name, value in row.items() if name != SEAL}
    return (
        row.get(SEAL) == _seal(said)
        and isinstance(row.get("pair"), str)
        and all(isinstance(row.get(side), float) for side in ("chosen", "rejected"))
    )


def _seal(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def _known(pairs: Iterable[str], kept: KeptScores, ranks: Ranks) -> dict[str, Tensor]:
    """What the file of the rank that leads has of these pairs, on every rank."""
    read = kept.read() if ranks.leads else {}
    rows = [[*read[pair].tolist(), 1.0] if pair in read else [0.0] * 3 for pair in pairs]
    table = torch.tensor(rows).reshape(-1, 3)  # (pairs, chosen | rejected | is known)
    ranks.add_up([table])
    return {pair: row[:2] for pair, row in zip(pairs, table.unbind(), strict=True) if row[2]}


def _pairs(microbatch: Microbatch) -> Iterator[Microbatch]:
    """Each pair of rows alone, cut after its last supervised token."""
    for row in range(0, microbatch.labels.shape[0], 2):
        labels = microbatch.labels[row : row + 2]
        length = int((labels != IGNORE).any(dim=0).nonzero().max()) + 1
        rows = (slice(row, row + 2), slice(0, length))
        yield Microbatch(microbatch.input_ids[rows], microbatch.positions[rows], labels[:, :length])


def _digest(pair: Microbatch) -> str:
    hasher = hashlib.sha256()
    for tensor in (pair.input_ids, pair.labels):
        hasher.update(str(tuple(tensor.shape)).encode())
        hasher.update(tensor.cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()
