# SPDX-License-Identifier: Apache-2.0
"""Collect instructions, formulas, documents and specifications of rigs and towns."""

from collections.abc import Sequence
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.finetune.corpus.artifact_collector import CorpusArtifactCollector
from node0.finetune.corpus.collect.look_again import look_again


def collect_artifacts(
    rig_roots: Sequence[Path], town: Path | None, *, deny: Sequence[str], as_json: bool
) -> None:
    """Collect what each root holds, and print the entries that it became."""
    place, store = open_store(town)
    scrubber = make_scrubber(deny, town=place)
    collector = CorpusArtifactCollector(store, scrubber)
    entries = [entry for root in rig_roots for entry in collector.collect_root(root)]
    look_again(store, scrubber)
    rows = [
        {"id": entry.id, "role": entry.role, "rig": entry.rig, "task_type": entry.task_type}
        for entry in entries
    ]
    console.emit(rows, as_json=as_json)
