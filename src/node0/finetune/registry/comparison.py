# SPDX-License-Identifier: Apache-2.0
"""What differs between two versions: lineage, settings, scores and files."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from node0.finetune.registry.schema import ModelRegistryEntry
from node0.settings import leaves

LINEAGE = ("role", "base_model", "base_digest", "corpus_hash", "entries_sha256", "parent")
PROGRAM = ("code_version", "scrub_version")


class Difference(NamedTuple):
    """One thing that is another in the second version; None where it is absent."""

    what: str
    before: Any
    after: Any


def differences(first: ModelRegistryEntry, second: ModelRegistryEntry) -> Iterator[Difference]:
    """What the second version has otherwise, in the order: lineage, settings, scores, files."""
    yield from _changed(_facts(first), _facts(second))
    yield from _changed(
        dict(leaves(first.training_config)), dict(leaves(second.training_config)), "settings."
    )
    yield from _changed(_scores(first), _scores(second), "eval.")
    yield from _changed(_files(first), _files(second), "file ")


def _facts(entry: ModelRegistryEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) or None for name in (*LINEAGE, *PROGRAM)}


def _scores(entry: ModelRegistryEntry) -> dict[str, Any]:
    whole = {} if entry.eval_score is None else {"score": entry.eval_score}
    return {**whole, **entry.eval_scores_by_category}


def _files(entry: ModelRegistryEntry) -> dict[str, Any]:
    return {file.path: file.sha256[:12] for file in entry.artefacts}


def _changed(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> Iterator[Difference]:
    for name in sorted(first.keys() | second.keys()):
        if first.get(name) != second.get(name):
            yield Difference(prefix + name, first.get(name), second.get(name))
