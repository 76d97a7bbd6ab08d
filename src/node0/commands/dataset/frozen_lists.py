# SPDX-License-Identifier: Apache-2.0
"""Freeze the entries that a training takes, show a list, compare two."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from node0 import console
from node0.commands.training_flags import needed, refuse_missing
from node0.errors import BadCorpus, ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.corpus.store import CorpusStore, hash_of
from node0.finetune.data.frozen import changes, difference, read_list, uses_of, write_list
from node0.finetune.data.select import selected, split_by_session
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.finetune.training.plan.load_data import corpus_root
from node0.finetune.training.plan.training_settings import resolve_training
from node0.settings import flag_layer
from node0.town import Town

NEEDED = ("role", "corpus_path")


def freeze(
    output: Path,
    flags: Mapping[str, object],
    settings: Sequence[str],
    *,
    config: str | None,
    town: Path | None,
    as_json: bool,
) -> None:
    """Write the list of what these settings choose now, and say how many that are.

    Raises:
        ConfigError: the file is there already.
        BadCorpus: no entry is chosen.
    """
    if output.exists():
        raise ConfigError(f"{output} is there already; a frozen list is not written over, give another FILE")
    layer = flag_layer(flags, settings)
    if config is None:
        refuse_missing(layer, needed(NEEDED, town))
    # A list has no run directory; the setting is required and not looked at.
    nowhere = {"checkpoint_dir": str(output)}
    resolved, _ = resolve_training(layer, config=config, town=town, defaults=nowhere)
    entries = _chosen(resolved.values)
    write_list(output, entries)
    rows = [{"list": str(output), **_counts(entries)}]
    console.emit(rows, as_json=as_json)
    console.note(
        f"next: node0 finetune --role {resolved.values.role} --set dataset={output} --base-model DIR"
    )


def show(place: Path, corpus_path: str | None, town: Path | None, *, as_json: bool) -> None:
    """Print how many entries a list has on each side, and how many are no longer what they were."""
    entries = read_list(place)
    broken = changes(CorpusStore(_corpus_of(place, corpus_path, town)), entries)
    states = Counter(broken.values())
    unchanged = len(entries) - len(broken)
    console.emit(
        [{"list": str(place), **_counts(entries), "unchanged": unchanged, **states}], as_json=as_json
    )
    for name, what in broken.items():
        console.note(f"{name}: {what}")


def diff(place: Path, other: Path, *, as_json: bool) -> None:
    """Print a row for each entry that differs."""
    rows = [
        {"id": name, "what": what} for name, what in difference(read_list(place), read_list(other)).items()
    ]
    if rows or as_json:
        console.emit(rows, as_json=as_json)
    else:
        console.note(f"{place} and {other} are the same entries")


def _chosen(config: FineTuneConfig) -> list[EntryUse]:
    store = CorpusStore(corpus_root(config))
    chosen = selected(store, config.role, config.select, mode=config.mode)
    if not chosen.kept:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in chosen.dropped.items()) or "it is empty"
        raise BadCorpus(f"no entry of role {config.role} is chosen ({reasons}): collect, or widen `select`")
    train, val = split_by_session(chosen.kept, config.val_split)
    return [*uses_of(train, "train", chosen.copied), *uses_of(val, "val", chosen.copied)]


def _counts(entries: Sequence[EntryUse]) -> dict[str, object]:
    held_out = sum(entry.split == "val" for entry in entries)
    return {
        "entries": len(entries),
        "train": len(entries) - held_out,
        "held out": held_out,
        "copied answers": sum(len(entry.copied) for entry in entries),
        "corpus": hash_of(entries)[:16],
    }


def _corpus_of(place: Path, given: str | None, town: Path | None) -> Path:
    """The corpus that is named, else that of the run, else that of the town."""
    if given is None and place.is_dir():
        recorded = RunDirectory(place).settings().get("corpus_path")
        if recorded is not None and Path(str(recorded)).is_dir():
            return Path(str(recorded))
    return Path(given).expanduser() if given is not None else Town.locate(town).corpus
