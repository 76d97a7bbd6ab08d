# SPDX-License-Identifier: Apache-2.0
"""Find entries that repeat an older one, or a prompt that a model is measured on."""

from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.finetune.corpus.quality.contamination import Prompts
from node0.finetune.corpus.quality.near_duplicates import duplicates


def list_duplicates(town: Path | None, *, role: str | None, threshold: float, as_json: bool) -> None:
    """Print entries that repeat an older one, exactly or with at least this similarity."""
    _, store = open_store(town, role)
    found = duplicates(store.entries(role), threshold=threshold)
    console.emit([repeat._asdict() for repeat in found], as_json=as_json)
    exact = sum(repeat.exact for repeat in found)
    console.note(f"{exact} exact and {len(found) - exact} near duplicates")


def list_contaminated(town: Path | None, *, role: str | None, against: Path, as_json: bool) -> int:
    """Print entries with 13 words in a row of a prompt; 1 when there are any.

    against: JSON lines of prompts.
    """
    _, store = open_store(town, role)
    prompts = Prompts(against)
    found = [overlap for entry in store.entries(role) for overlap in prompts.overlaps(entry)]
    console.emit([overlap._asdict() for overlap in found], as_json=as_json)
    entries = len({overlap.id for overlap in found})
    console.note(
        f"{entries} entries hold one of {len(prompts)} prompts; {prompts.too_short} prompts are too short"
    )
    return console.FAILED if found else 0
