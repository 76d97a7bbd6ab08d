# SPDX-License-Identifier: Apache-2.0
"""Load the corpus of a run as training steps and held-out microbatches."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from node0.errors import NotFound
from node0.finetune.chat.profile import load_profile
from node0.finetune.config import FineTuneConfig
from node0.finetune.corpus.store import CorpusStore, hash_of
from node0.finetune.data.dataset import CorpusDataset, DatasetOptions
from node0.finetune.data.frozen import Parted, read_list, thaw, uses_of
from node0.finetune.data.microbatches import MicrobatchSource
from node0.finetune.data.select import selected, split_by_session
from node0.finetune.data.train_val import datasets_of
from node0.finetune.run_dir import EntryUse
from node0.finetune.training.plan.training_data import TrainingData


def load_data(
    config: FineTuneConfig, tokenizer: PreTrainedTokenizerFast, frozen: Sequence[EntryUse] | None = None
) -> TrainingData:
    """Select, render and split the entries that `config` names.

    frozen: the entries that the run began with; None selects them.

    Raises:
        NotFound: the corpus directory does not exist.
        BadCorpus: nothing is left to train on, or a frozen entry is no longer what it was.
    """
    options = DatasetOptions(
        mode=config.mode,
        select=config.select,
        profile_for=lambda role: load_profile(role, config.profile),
        over_length=config.over_length,
    )
    parted, left_out = _parted(config, frozen)
    datasets = datasets_of(parted, config.role, tokenizer, config.max_length, options=options)
    train, val = datasets.train.report, datasets.val.report
    entries = [
        *uses_of(datasets.train.entries, "train", parted.copied),
        *uses_of(datasets.val.entries, "val", parted.copied),
    ]
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
        left_out=left_out,
    )


def _parted(config: FineTuneConfig, frozen: Sequence[EntryUse] | None) -> tuple[Parted, int]:
    """The entries of both sides, and how many more would be taken were none frozen."""
    store = CorpusStore(corpus_root(config))
    whose, do = "this run", "start over without them: --resume never, or another --checkpoint-dir"
    if config.dataset is not None:
        frozen, whose = read_list(config.dataset) if frozen is None else frozen, str(config.dataset)
        do = "freeze a list without them, and start with that: --resume never, or another --checkpoint-dir"
    chosen = selected(store, config.role, config.select, mode=config.mode)
    if frozen is None:
        train, val = split_by_session(chosen.kept, config.val_split)
        return Parted(train, val, chosen.dropped, chosen.copied), 0
    thawed, listed = thaw(store, frozen, of=whose, do=do), {entry.id for entry in frozen}
    # An entry that gave no row is on no list of a run; nothing came of it then, nor does now.
    left_out = sum(entry.id not in listed for entry in chosen.kept)
    return replace(thawed, dropped=chosen.dropped), left_out


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
