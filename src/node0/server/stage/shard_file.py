# SPDX-License-Identifier: Apache-2.0
"""Shard files: `{directory}/step_{step}/{stage}_lora.safetensors`.

Weights lie under their own names: adapters when the stage has any, all that train otherwise
(`{stage}_full.safetensors`). A shard that a run can go on from also holds `OPTIMIZER_FIELD:NAME` for each.

The metadata `node0` is a JSON object of the fields of `ShardFacts` and, last, `sha256`: over the object
without it, and over name, type, shape and bytes of each tensor by name. Who reads a shard computes it again.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from node0.documents.json_document import object_of
from node0.errors import BadCheckpoint
from node0.lora.trainable import is_adapter_weight
from node0.models.weights import save_tensors
from node0.step_directories import step_directory, step_numbers

STAGE = re.compile(r"^[A-Za-z0-9_-]+\Z")
_METADATA, _DIGEST = "node0", "sha256"
_WEIGHT = "weight:"


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What a shard says of itself."""

    stage: str
    step: int
    "Of the run; skipped ones count."

    version: int | None = None
    "Optimizer steps that were applied; None without an optimizer's state."

    num_stages: int | None = None
    base_digest: str | None = None
    lora: dict[str, Any] | None = None
    "`LoRAConfig` of the adapter."

    progress: str | None = None
    "What the trainer remembers besides weights, as it wrote it."


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that was read."""

    facts: ShardFacts
    tensors: dict[str, Tensor]

    @property
    def weights(self) -> dict[str, Tensor]:
        """Without the optimizer's state."""
        return {name: tensor for name, tensor in self.tensors.items() if ":" not in name}

    @property
    def state(self) -> dict[str, Tensor]:
        """As a file of `node0.server.stage.state_file` has them."""
        return {name if ":" in name else f"{_WEIGHT}{name}": tensor for name, tensor in self.tensors.items()}


def from_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A shard's tensors, from those of a state file; `Shard.state` is the way back."""
    return {name.removeprefix(_WEIGHT): tensor for name, tensor in state.items()}


def write_shard(directory: Path, facts: ShardFacts, tensors: Mapping[str, Tensor]) -> Path:
    """Write a shard with its digest and return the file: whole or absent, same content same bytes."""
    is_lora = all(is_adapter_weight(name) for name in tensors)
    path = shard_path(directory, facts.stage, facts.step, lora=is_lora)
    given = {name: value for name, value in asdict(facts).items() if value is not None}
    sealed = given | {_DIGEST: _digest(given, tensors)}
    # One entry: the order of several differs from write to write, and equal shards are equal files.
    save_tensors(path, tensors, {_METADATA: json.dumps(sealed)})
    return path


def read_shard(path: Path) -> Shard:
    """A shard, compared with its digest.

    Raises:
        BadCheckpoint: it cannot be read, does not say which stage and step it is of, or has changed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            return Shard(_facts(file.metadata(), tensors), tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadCheckpoint(f"cannot read checkpoint {path}: {error}; use another step") from None


def shard_path(directory: Path, stage: str, step: int, *, lora: bool = True) -> Path:
    """Where a shard lies."""
    if not STAGE.match(stage):
        raise BadCheckpoint(f"stage name {stage!r} is not a file name; use letters, digits, - and _")
    return step_directory(directory, step) / f"{stage}_{'lora' if lora else 'full'}.safetensors"


def shard_files(directory: Path) -> dict[int, list[Path]]:
    """The shards that lie in a directory, by step, ascending."""
    found = {step: step_directory(directory, step) for step in step_numbers(directory)}
    return {step: sorted(path.glob("[!.]*.safetensors")) for step, path in found.items()}


def _facts(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> ShardFacts:
    given = object_of(metadata[_METADATA])
    if given.pop(_DIGEST) != _digest(given, tensors):
        raise ValueError("its content is not what was written")
    facts = ShardFacts(**given)
    if not isinstance(facts.stage, str) or not isinstance(facts.step, int):
        raise ValueError("stage and step are missing")
    return facts


def _digest(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    hasher = hashlib.sha256(json.dumps(facts).encode())
    for name, tensor in sorted(tensors.items()):
        hasher.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        hasher.update(tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()
