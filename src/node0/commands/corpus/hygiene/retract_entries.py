# SPDX-License-Identifier: Apache-2.0
"""Retract entries, so that nothing is trained on them again, and find the runs that saw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.errors import NotFound
from node0.finetune.corpus.retract_list import runs_that_saw
from node0.finetune.corpus.retracted_turns import marks_of


@dataclass(frozen=True, slots=True)
class Retraction:
    """A change of the list of what is retracted."""

    ids: tuple[str, ...] = ()
    "None of them only shows the list."

    reason: str = ""
    delete: bool = False
    "Their files too."

    undo: bool = False
    "Take them off the list instead."


def list_runs(ids: Sequence[str], town: Path | None, *, run_dirs: Sequence[Path], as_json: bool) -> None:
    """Print the runs that saw these entries or pairs of them, or without ids those of all that is retracted.

    run_dirs: where runs lie besides the town's checkpoints and models.
    """
    place, store = open_store(town)
    retracted = store.retracted()
    places = [place.checkpoints, place.models, *run_dirs]
    wanted = {*(ids or retracted.entries)}
    turns = {turn for name in wanted & retracted.entries.keys() for turn in retracted.entries[name].turns}
    holders = {entry.id for entry in store.entries() if turns and not turns.isdisjoint(marks_of(entry))}
    uses = runs_that_saw(retracted, wanted | store.made_of(wanted) | holders, places)
    console.emit([use._asdict() for use in uses], as_json=as_json)


def retract_entries(change: Retraction, town: Path | None, *, as_json: bool) -> None:
    """Make a change, and print the list as it is then."""
    _, store = open_store(town)
    retracted = store.retracted()
    names = list(dict.fromkeys(change.ids))
    if change.undo:
        unknown = [name for name in names if name not in retracted.entries]
        if unknown:
            raise NotFound(f"entry {unknown[0]!r} is not retracted: see `node0-corpus retract`")
        retracted.undo(names)
    elif names:
        entries = [store.get(name) for name in names]
        _name_others(store.retract(entries, reason=change.reason, delete=change.delete))
        retracted = store.retracted()
    rows = [{"id": name, **known.model_dump(exclude={"turns"})} for name, known in retracted.entries.items()]
    console.emit(rows, as_json=as_json)


def _name_others(held: Mapping[str, Sequence[str]]) -> None:
    """Say what else holds what was said in an entry: it is left out from now on, and its file stays."""
    for name, others in held.items():
        if others:
            console.note(
                f"what {name} says stands in {', '.join(others)} too: left out of training and export too;"
                f" to delete those files: node0 corpus retract {' '.join(others)} --delete"
            )
