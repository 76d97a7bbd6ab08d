# SPDX-License-Identifier: Apache-2.0
"""The files that a run leaves beside its weights, and the manifest that names them all."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from node0.errors import BadCheckpoint, NotFound
from node0.files import write_atomically
from node0.finetune.training.output.files import read_json_lines, sha256_of, write_json_lines
from node0.finetune.training.output.metrics import EVENTS_DIRECTORY
from node0.finetune.training.output.resume import STATE_DIRECTORY
from node0.finetune.training.output.run_lock import LOCK_NAME
from node0.finetune.training.plan.training_data import EntryUse

MANIFEST_NAME = "MANIFEST.json"
ENTRIES_NAME = "entries.jsonl"
CONFIG_NAME = "config.resolved.yaml"
CHECKPOINTS_DIRECTORY = "checkpoints"

SWARM_DIRECTORY = "swarm"
"Keys and logs of stages that the trainer started itself."

GATHERED_DIRECTORY = "gathered"
"Shards that came from a swarm's stages, by digest."

WHOLE_DIRECTORY = "whole"
"Checkpoints put together from such shards."

_NOT_LISTED = (
    STATE_DIRECTORY,
    CHECKPOINTS_DIRECTORY,
    EVENTS_DIRECTORY,
    SWARM_DIRECTORY,
    GATHERED_DIRECTORY,
    WHOLE_DIRECTORY,
)
"Directories that let a run go on and are no part of the model."


def write_entries(run_dir: Path, entries: Sequence[EntryUse], seen: Mapping[str, int]) -> None:
    """Write `entries.jsonl`: every entry trained on or held out, sorted by id."""
    write_json_lines(
        run_dir / ENTRIES_NAME,
        [
            {
                "id": entry.id,
                "content_digest": entry.content_digest,
                "scrub_version": entry.scrub_version,
                "split": entry.split,
                "times_seen": seen.get(entry.id, 0) if entry.split == "train" else 0,
            }
            for entry in sorted(entries, key=lambda entry: entry.id)
        ],
    )


def held_out(run_dir: Path) -> set[str]:
    """Ids of the entries that a run never trained on and kept for measuring.

    Raises `NotFound` when the directory has no `entries.jsonl`.
    """
    path = run_dir / ENTRIES_NAME
    if not path.is_file():
        raise NotFound(f"no {ENTRIES_NAME} in {run_dir}; give the directory of a finished run")
    return {str(record.get("id")) for record in read_json_lines(path) if record.get("split") == "val"}


def write_manifest(run_dir: Path, facts: Mapping[str, Any]) -> None:
    """Write `MANIFEST.json`: `facts`, and size and sha256 of every file of the model. Unsigned."""
    files = {
        name: {"sha256": sha256_of(path), "size": path.stat().st_size}
        for name, path in _listed(run_dir).items()
    }
    content = {"format": 1, **facts, "files": files}
    write_atomically(run_dir / MANIFEST_NAME, json.dumps(content, indent=1, sort_keys=False) + "\n")


def verify_manifest(run_dir: Path) -> dict[str, Any]:
    """The manifest, after checking every file that it names.

    Raises `BadCheckpoint` when there is none, or a file is missing or another.
    """
    path = run_dir / MANIFEST_NAME
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BadCheckpoint(f"no readable {MANIFEST_NAME} in {run_dir}; the run has not finished") from None
    for name, recorded in files.items():
        file = run_dir / name
        if not file.is_file() or sha256_of(file) != recorded["sha256"]:
            raise BadCheckpoint(
                f"{file} is not the file that {MANIFEST_NAME} names; restore it or train again"
            )
    return manifest


def _listed(run_dir: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(run_dir.rglob("*")):
        name = path.relative_to(run_dir)
        if (
            path.is_file()
            and name.parts[0] not in _NOT_LISTED
            and str(name) not in (MANIFEST_NAME, LOCK_NAME)
        ):
            found[name.as_posix()] = path
    return found
