# SPDX-License-Identifier: Apache-2.0
"""The place of a run directory: refuse one in which a run would overwrite what it, or its town, needs."""

from collections.abc import Iterator
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.load_data import corpus_root
from node0.town import MARK, Town


def refuse_misplaced(config: FineTuneConfig) -> None:
    """Check where the run would be written; nothing is.

    Raises:
        ConfigError: in the base or the adapter that it starts from, in a corpus, or in what a town keeps.
        NotFound: there is no corpus.
    """
    place = config.checkpoint_dir.resolve()
    for what, source in _read_whole(config):
        if place == source.resolve():
            raise _misplaced(config, f"the directory of {what}, which the run would overwrite")
    for what, root in _kept_apart(config, place):
        if place.is_relative_to(root.resolve()):
            raise _misplaced(config, f"in {root}, {what}")


def _read_whole(config: FineTuneConfig) -> Iterator[tuple[str, Path]]:
    """Directories that a run reads and must not be in."""
    if config.base_model is not None and Path(config.base_model).is_dir():
        yield "its base", Path(config.base_model)
    if config.tokenizer is not None and Path(config.tokenizer).is_dir():
        yield "its tokenizer", Path(config.tokenizer)
    if config.init_adapter is not None:
        yield "the adapter that it starts from", config.init_adapter


def _kept_apart(config: FineTuneConfig, place: Path) -> Iterator[tuple[str, Path]]:
    """Directories in which every file means something to whoever reads them."""
    yield "a corpus: every directory in it is a role's", corpus_root(config)
    for root in (place, *place.parents):
        if (root / MARK).is_file():
            town = Town(root)
            yield "the corpus of a town", town.corpus
            yield "where a town keeps registered models", town.models
            yield "the index of a town", town.rag


def _misplaced(config: FineTuneConfig, where: str) -> ConfigError:
    return ConfigError(f"run directory {config.checkpoint_dir} is {where}; give another --checkpoint-dir")
