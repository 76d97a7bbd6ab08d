# SPDX-License-Identifier: Apache-2.0
"""Save and load one stage's shard: what a module has learned at one step."""

import logging
from pathlib import Path

from torch import Tensor, nn

from node0.errors import BadCheckpoint, NotFound
from node0.loglines import CHECKPOINT_SAVED
from node0.lora.trainable import trained_weights
from node0.server.stage.shard_file import ShardFacts, read_shard, shard_path, write_shard

logger = logging.getLogger(__name__)


def save_shard(module: nn.Module, checkpoint_dir: Path, stage: str, step: int) -> Path:
    """Write the stage's trainable weights and return the file: whole or absent, same weights same bytes.

    Raises `BadCheckpoint` when nothing trains in `module`.
    """
    weights = trained_weights(module)
    if not weights:
        raise BadCheckpoint(f"stage {stage} has no weight that trains; apply an adapter before saving")
    path = write_shard(checkpoint_dir, ShardFacts(stage, step), weights)
    logger.info(CHECKPOINT_SAVED.write(step, stage))
    return path


def load_shard(checkpoint_dir: Path, stage: str, step: int) -> dict[str, Tensor]:
    """Read back the weights that `save_shard` or a stage host wrote, by parameter name.

    Raises `NotFound` when there is no such shard, `BadCheckpoint` when it cannot be read.
    """
    paths = [shard_path(checkpoint_dir, stage, step, lora=lora) for lora in (True, False)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise NotFound(f"no checkpoint {paths[0]}; check the step and the stage")
    return read_shard(path).weights
