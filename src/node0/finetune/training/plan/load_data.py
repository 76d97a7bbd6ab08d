# SPDX-License-Identifier: Apache-2.0
"""Load the corpus of a run as training steps and held-out microbatches."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from transformers import PreTrainedTokenizerFast

from node0.errors import NotFound
from node0.finetune.chat.profile import load_profile
from node0.finetune.config import FineTuneConfig
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore, hash_of
from node0.finetune.data.dataset import CorpusDataset, DatasetOptions
from node0.finetune.data.microbatches import MicrobatchSource
from node0.finetune.data.train_val import make_datasets
from node0.finetune.run_dir import EntryUse
from node0.finetune.training.plan.training_data import TrainingData


def load_data(config: FineTuneConfig, tokenizer: PreTrainedTokenizerFast) -> TrainingData:
    """Select, render and split the entries that `config` names.

    Raises:
        NotFound: the corpus directory does not exist.
        BadCorpus: nothing is left to train on.
    """
    options = DatasetOptions(
        mode=config.mode,
        select=config.select,
        profile_for=lambda role: load_profile(role, config.profile),
        over_length=config.over_length,
    )
    store = CorpusStore(corpus_root(config))
    datasets = make_datasets(
        store, config.role, tokenizer, config.max_length, options=options, val_split=config.val_split
    )
    train, val = datasets.train.report, datasets.val.report
    entries = [*_uses(datasets.train.entries, "train"), *_uses(datasets.val.entries, "val")]
    return TrainingData(
        steps=_source(config, datasets.train),
        held_out=list(_source(config, datasets.val, shuffle=False).epoch()) if len(datasets.val) else [],
        entries=entries,
        kept=train.entries + val.entries,
        dropped=datasets.dropped,
        examples=train.rows,
        tokens=train.tokens,
        supervised=train.rows if config.mode == "dpo" else train.supervised,
        corpus_hash=hash_of(entries),
    )


def corpus_root(config: FineTuneConfig) -> Path:
    """The corpus directory, where `corpus_path` is it or the directory of the role in it.

    Raises:
        NotFound: it does not exist.
    """
    path = config.corpus_path
    if not path.is_dir():
        raise NotFound(f"no corpus directory {path}; give --corpus-path DIR, or collect with node0-corpus")
    is_of_role = path.name == config.role and not (path / config.role).is_dir()
    return path.parent if is_of_role else path


def _source(config: FineTuneConfig, dataset: CorpusDataset, *, shuffle: bool = True) -> MicrobatchSource:
    return MicrobatchSource(
        dataset,
        tokens_per_microbatch=config.tokens_per_microbatch,
        microbatches_per_step=config.microbatches_per_step,
        packing=config.packing,
        seed=config.seed,
        shuffle=shuffle,
    )


def _uses(entries: Iterable[CorpusEntry], split: Literal["train", "val"]) -> list[EntryUse]:
    return [EntryUse(entry.id, entry.content_digest, entry.scrub_version, split) for entry in entries]
