# SPDX-License-Identifier: Apache-2.0
"""What one stage has learned at one step: `{checkpoint_dir}/step_{step}/{stage}_lora.safetensors`.

Adapters when the stage has any, all weights that train otherwise (`{stage}_full.safetensors`).
"""

import json
import logging
import re
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from node0.errors import BadCheckpoint, NotFound
from node0.loglines import CHECKPOINT_SAVED
from node0.models.weights import save_tensors

logger = logging.getLogger(__name__)

STAGE = re.compile(r"^[A-Za-z0-9_-]+$")


def save_shard(module: nn.Module, checkpoint_dir: Path, stage: str, step: int) -> Path:
    """Write the stage's trainable weights and return the file: whole or absent, same weights same bytes.

    Raises `BadCheckpoint` when nothing trains in `module`.
    """
    weights = trainable_weights(module)
    if not weights:
        raise BadCheckpoint(f"stage {stage} has no weight that trains; apply an adapter before saving")
    path = shard_path(checkpoint_dir, stage, step, lora=_is_lora(weights))
    # One entry: the order of several differs from write to write, and equal shards are equal files.
    save_tensors(path, weights, {"node0": json.dumps({"stage": stage, "step": step})})
    logger.info(CHECKPOINT_SAVED.write(step, stage))
    return path


def load_shard(checkpoint_dir: Path, stage: str, step: int) -> dict[str, Tensor]:
    """Read back what `save_shard` wrote, by parameter name.

    Raises `NotFound` when there is no such shard, `BadCheckpoint` when it cannot be read.
    """
    paths = [shard_path(checkpoint_dir, stage, step, lora=lora) for lora in (True, False)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise NotFound(f"no checkpoint {paths[0]}; check the step and the stage")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (SafetensorError, OSError) as error:
        raise BadCheckpoint(f"cannot read checkpoint {path}: {error}; use another step") from None


def shard_path(checkpoint_dir: Path, stage: str, step: int, *, lora: bool = True) -> Path:
    """Where a shard lies."""
    if not STAGE.match(stage):
        raise BadCheckpoint(f"stage name {stage!r} is not a file name; use letters, digits, - and _")
    return Path(checkpoint_dir) / f"step_{step}" / f"{stage}_{'lora' if lora else 'full'}.safetensors"


def trainable_weights(module: nn.Module) -> dict[str, nn.Parameter]:
    """The adapter weights of `module` by name; without any, every parameter that trains."""
    weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    adapters = {name: weight for name, weight in weights.items() if "lora_" in name}
    return adapters or weights


def _is_lora(weights: dict[str, nn.Parameter]) -> bool:
    return all("lora_" in name for name in weights)
