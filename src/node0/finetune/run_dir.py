# SPDX-License-Identifier: Apache-2.0
"""`RunDirectory`: every name in a run's directory, what its files say, which steps it keeps.

Besides the model (`node0.model_files`) a run directory holds what lets the run go on. None of that is
registered, published or sent anywhere:

    .lock               held by the process that trains
    training_state/     step_N: weights and optimizer (`pipeline/`), and `trainer.json`
    checkpoints/        step_N: each stage's shard
    reference.jsonl     what DPO's reference makes of each pair
    runs/               TensorBoard's events
    trackers/           ids that other trackers know the run by, and what W&B keeps here
    evals/              step_N: how its weights did on a suite, while the run went on
    swarm/              keys, sockets and logs of stages that the trainer started itself
    gathered/ whole/    shards that came from a swarm's stages, and checkpoints put together from them
"""

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from node0.documents.json_lines import read_json_lines, require_json_lines, write_json_lines
from node0.errors import NotFound
from node0.files import is_locked, private_directory
from node0.finetune.manifest import read_manifest, verify_manifest, write_manifest
from node0.model_files import (
    CHAT_TEMPLATE,
    ENTRIES,
    LOSS_PLOT,
    MANIFEST,
    METRICS,
    MODEL_CARD,
    PROFILE,
    RESOLVED_CONFIG,
    TOKENIZER,
    model_files,
)
from node0.settings import read_tree
from node0.step_directories import newest_step, prune_steps, step_directory, step_numbers

PIPELINE = "pipeline"
"In a training state: weights and optimizer, as `Pipeline.save` writes them."

TRAINER = "trainer.json"
"In a training state: what the trainer remembers."


@dataclass(frozen=True, slots=True)
class EntryUse:
    """One corpus entry of a run."""

    id: str
    content_digest: str
    scrub_version: str
    split: Literal["train", "val"]
    copied: tuple[int, ...] = ()
    "Places in its messages of answers that are learnt in another entry, rising."


@dataclass(frozen=True)
class RunDirectory:
    """One run, by its directory; also a registered copy of one, which holds the model alone."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the process that trains; gone with it."""
        return self.root / ".lock"

    @property
    def config_file(self) -> Path:
        """Every setting and who set it."""
        return self.root / RESOLVED_CONFIG

    @property
    def metrics_file(self) -> Path:
        """What each step did, a JSON object a line."""
        return self.root / METRICS

    @property
    def entries_file(self) -> Path:
        """The entries trained on and held out, a JSON object a line."""
        return self.root / ENTRIES

    @property
    def manifest_file(self) -> Path:
        """Size and sha256 of the model's files; where it lies, the run is finished."""
        return self.root / MANIFEST

    @property
    def loss_plot(self) -> Path:
        """The loss curve as a picture."""
        return self.root / LOSS_PLOT

    @property
    def model_card(self) -> Path:
        """The model card."""
        return self.root / MODEL_CARD

    @property
    def profile_file(self) -> Path:
        """The deployment profile that the run trained for."""
        return self.root / PROFILE

    @property
    def chat_template(self) -> Path:
        """The chat template that the run rendered with."""
        return self.root / CHAT_TEMPLATE

    @property
    def training_state(self) -> Path:
        """States to go on from, one directory a step."""
        return self.root / "training_state"

    @property
    def checkpoints(self) -> Path:
        """Shards of each stage, one directory a step."""
        return self.root / "checkpoints"

    @property
    def reference_file(self) -> Path:
        """What DPO's reference model makes of each pair; good for every run of the same model."""
        return self.root / "reference.jsonl"

    @property
    def events(self) -> Path:
        """TensorBoard's events."""
        return self.root / "runs"

    @property
    def trackers(self) -> Path:
        """Ids that trackers know the run by, and their own files."""
        return self.root / "trackers"

    @property
    def evals(self) -> Path:
        """What `node0 eval follow` found out, one directory a step."""
        return self.root / "evals"

    @property
    def swarm(self) -> Path:
        """Keys, sockets and logs of stages that the trainer started itself."""
        return self.root / "swarm"

    @property
    def gathered(self) -> Path:
        """Shards that came from a swarm's stages, by digest."""
        return self.root / "gathered"

    @property
    def whole(self) -> Path:
        """Checkpoints put together from such shards, one directory a step."""
        return self.root / "whole"

    @property
    def has_tokenizer(self) -> bool:
        """Whether a tokenizer lies beside the weights."""
        return (self.root / TOKENIZER).is_file()

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here: it leaves its lock first and its settings next."""
        return self.config_file.is_file() or (self.lock.is_file() and _is_lock(self.lock))

    @property
    def is_finished(self) -> bool:
        """Whether the run here has ended, and its model is whole."""
        return self.manifest_file.is_file() and self.config_file.is_file()

    @property
    def process(self) -> str | None:
        """`running` or `dead`, by the lock of whoever began to train here; None where nothing tells."""
        if not self.lock.is_file():
            return None
        return "running" if is_locked(self.lock) else "dead"

    def make(self) -> None:
        """Make the directory, or take one that is there from everybody but its owner."""
        private_directory(self.root)

    def model_files(self) -> list[Path]:
        """The files of the model, sorted, relative to `root`."""
        return model_files(self.root)

    def settings(self) -> dict[str, Any]:
        """What `config.resolved.yaml` says, or {} where there is none.

        Raises:
            ConfigError: it cannot be read.
        """
        return read_tree(self.config_file) if self.config_file.is_file() else {}

    def require_settings(self) -> dict[str, Any]:
        """As `settings`.

        Raises:
            NotFound: there are none.
        """
        if not self.config_file.is_file():
            raise NotFound(f"no {RESOLVED_CONFIG} in {self.root}; give the directory of a finished run")
        return self.settings()

    def write_entries(self, entries: Iterable[EntryUse], seen: Mapping[str, int]) -> None:
        """Write which entries were trained on and held out, sorted by id; `seen` counts by id."""
        rows = [
            {
                "id": entry.id,
                "content_digest": entry.content_digest,
                "scrub_version": entry.scrub_version,
                "split": entry.split,
                "times_seen": seen.get(entry.id, 0) if entry.split == "train" else 0,
                **copied_field(entry),
            }
            for entry in sorted(entries, key=lambda entry: entry.id)
        ]
        write_json_lines(self.entries_file, rows)

    def entries(self, skipped: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
        """What can be read of the entries; lines that cannot are counted in `skipped`."""
        return read_json_lines(self.entries_file, Counter() if skipped is None else skipped)

    def held_out(self) -> set[str]:
        """Ids of the entries that the run never trained on and kept for measuring.

        Raises:
            NotFound: the directory names no entries.
            BadCheckpoint: a line of them cannot be read.
        """
        if not self.entries_file.is_file():
            raise NotFound(f"no {ENTRIES} in {self.root}; give the directory of a finished run")
        rows = require_json_lines(self.entries_file)
        return {str(row.get("id")) for row in rows if row.get("split") == "val"}

    def metrics(self) -> list[dict[str, Any]]:
        """Every step's record, oldest first.

        Raises:
            BadCheckpoint: a line cannot be read.
        """
        return require_json_lines(self.metrics_file)

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Write the manifest: the run is finished."""
        write_manifest(self.root, facts)

    def read_manifest(self) -> dict[str, Any]:
        """The manifest, or {} where there is none.

        Raises:
            BadCheckpoint: it cannot be read.
        """
        return read_manifest(self.root) if self.manifest_file.is_file() else {}

    def verify(self) -> dict[str, Any]:
        """The manifest, after a look at every file that it names.

        Raises:
            BadCheckpoint: there is none, or a file is missing or another.
        """
        return verify_manifest(self.root)

    def verify_if_finished(self) -> None:
        """As `verify`; a directory without a manifest, such as a base, passes."""
        if self.manifest_file.is_file():
            self.verify()

    def state(self, step: int) -> Path:
        """Where the training state of `step` lies."""
        return step_directory(self.training_state, step)

    def newest_state(self) -> Path | None:
        """The state of the highest step; None without any."""
        return newest_step(self.training_state)

    def keep_checkpoints(self, best: int | None, last: int) -> None:
        """Keep states and shards of the `last` few steps, and of `best`."""
        for directory in (self.checkpoints, self.training_state):
            others = [step for step in step_numbers(directory) if step != best]
            prune_steps(directory, keep=[best, *others[-last:]])

    def discard_after(self, step: int) -> None:
        """Remove metrics and checkpoints of steps that will be done again, and the manifest."""
        write_json_lines(self.metrics_file, [row for row in self.metrics() if row["step"] <= step])
        for directory in (self.checkpoints, self.training_state, self.evals):
            prune_steps(directory, keep=[known for known in step_numbers(directory) if known <= step])
        # From here on the directory is no longer the finished run that its manifest names.
        self.manifest_file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what an earlier run in this directory would be resumed or judged by."""
        for directory in (self.training_state, self.checkpoints, self.events, self.evals):
            shutil.rmtree(directory, ignore_errors=True)
        # What a tracker has not sent yet stays; the run that begins now is another one to it.
        for file in (self.metrics_file, self.manifest_file, *self.trackers.glob("*.id")):
            file.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what writers that were killed left; only for who holds the lock."""
        for path in self.root.glob(".*.part"):
            path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)


def copied_field(entry: EntryUse) -> dict[str, list[int]]:
    """What a line says of copied answers; nothing where there are none."""
    return {"copied": list(entry.copied)} if entry.copied else {}


def _is_lock(path: Path) -> bool:
    """Whether the file is as `hold` writes it: the number of a process, or nothing yet."""
    with path.open("rb") as file:
        return re.fullmatch(rb"\d*\n?", file.read(32)) is not None


def find_runs(places: Iterable[Path]) -> Iterator[RunDirectory]:
    """Every run and every registered copy of one below `places`, by its entries."""
    for place in places:
        for path in sorted(place.rglob(ENTRIES)):
            yield RunDirectory(path.parent)
