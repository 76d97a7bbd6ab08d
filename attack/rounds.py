# SPDX-License-Identifier: Apache-2.0
"""The table of rounds, in the order in which they are made."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from attack.disk import full_disk, read_only
from attack.fuzz import Reader, fuzz
from attack.readers import (
    corpus_readers,
    harness_readers,
    model_readers,
    settings_readers,
    swarm_readers,
    town_readers,
)
from attack.round import Round
from attack.served import desk, served


def _said(work: Callable[..., object]) -> str:
    """The first line of its docstring."""
    return (work.__doc__ or "").splitlines()[0].rstrip(".")


READERS: dict[str, Callable[[Path], Reader]] = {
    "transcripts": corpus_readers.transcripts,
    "Codex rollouts": harness_readers.codex,
    "Gemini sessions": harness_readers.gemini,
    "pi sessions": harness_readers.pi,
    "opencode database": harness_readers.opencode_database,
    "opencode files": harness_readers.opencode_files,
    "opencode exports": harness_readers.opencode_export,
    "entries": corpus_readers.entries,
    "examples": corpus_readers.examples,
    "added entries": corpus_readers.added,
    "events": corpus_readers.events,
    "collector state": corpus_readers.collector_state,
    "beads": corpus_readers.beads,
    "retract list": corpus_readers.retractions,
    "review decisions": town_readers.decisions,
    "found secrets": town_readers.found_secrets,
    "machine stores": town_readers.machine_stores,
    "accounts": town_readers.accounts,
    "overseer": town_readers.overseer,
    "conventions": town_readers.conventions,
    "registry rows": town_readers.registry_rows,
    "store file": town_readers.store_files,
    "training YAML": settings_readers.training_file,
    "run.json": settings_readers.run_file,
    "scrub settings": settings_readers.scrub_settings,
    "patterns": settings_readers.patterns,
    "gitleaks rules": settings_readers.gitleaks,
    "suite items": settings_readers.suite_items,
    "town settings": settings_readers.town_settings,
    "base config": model_readers.base_config,
    "weight headers": model_readers.weight_header,
    "weight index": model_readers.weight_index,
    "tokenizers": model_readers.tokenizer_file,
    "chat templates": model_readers.chat_template,
    "adapter config": model_readers.adapter_config,
    "adapter weights": model_readers.adapter_weights,
    "manifests": model_readers.manifest,
    "shards": model_readers.shard,
    "frames": swarm_readers.frames,
    "DHT records": swarm_readers.records,
}

ROUNDS: tuple[Round, ...] = (
    *(Round(name, _said(make), partial(fuzz, make)) for name, make in READERS.items()),
    Round("HTTP", _said(served), served),
    Round("desk", _said(desk), desk),
    Round("full disk", _said(full_disk), full_disk),
    Round("read-only disk", _said(read_only), read_only),
)
"A round of kills or of floods is one more `Round` here."
