# SPDX-License-Identifier: Apache-2.0
"""Part a corpus into what is trained on and what is held out."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerFast

from node0.errors import BadCorpus
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.dataset import CorpusDataset, DatasetOptions, RowCache
from node0.finetune.data.frozen import Parted
from node0.finetune.data.select import selected, split_by_session
from node0.finetune.role import EVERY_ROLE


@dataclass(frozen=True)
class Datasets:
    """Both sides of a corpus."""

    train: CorpusDataset
    val: CorpusDataset
    dropped: dict[str, int]
    "Reason -> entries or answers left out of both."


def make_datasets(
    entries: CorpusStore | Iterable[CorpusEntry],
    role: str,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int = 2048,
    *,
    options: DatasetOptions | None = None,
    val_split: float = 0.05,
) -> Datasets:
    """Select entries and split them by session.

    Raises:
        BadCorpus: Nothing is left to train on.
    """
    options = options or DatasetOptions()
    chosen = selected(entries, role, options.select, mode=options.mode)
    train, val = split_by_session(chosen.kept, val_split)
    parted = Parted(train, val, chosen.dropped, chosen.copied)
    return datasets_of(parted, role, tokenizer, max_length, options=options)


def datasets_of(
    parted: Parted,
    role: str,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    *,
    options: DatasetOptions,
) -> Datasets:
    """The datasets of entries that were chosen and parted before.

    Raises:
        BadCorpus: Nothing is left to train on.
    """
    cache: RowCache = {}
    every = replace(options, select=None)
    train, val = (
        CorpusDataset(
            side, EVERY_ROLE, tokenizer, max_length, options=every, cache=cache, copied=parted.copied
        )
        for side in (parted.train, parted.val)
    )
    dropped = dict(sorted((Counter(parted.dropped) + train.dropped + val.dropped).items()))
    if not train.rows:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items()) or "it is empty"
        raise BadCorpus(
            f"the corpus has nothing to train on for role {role} in mode {options.mode} ({reasons}): "
            "collect sessions, or widen `select`"
        )
    return Datasets(train, val, dropped)
