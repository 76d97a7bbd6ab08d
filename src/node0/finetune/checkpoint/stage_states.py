# SPDX-License-Identifier: Apache-2.0
"""An adapter's directory as the state that each stage of a split model is given."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from node0.errors import BadCheckpoint
from node0.finetune.checkpoint.peft import read_peft
from node0.lora.adapter import load_lora_state_dict, lora_state_dict
from node0.lora.lora_config import LoRAConfig
from node0.lora.trainable import ADAPTER, make_trainable
from node0.models.base_model import BaseModelDir
from node0.models.factory import empty_stages
from node0.server.stage.trained_weights import TrainedWeights


class StageStates(NamedTuple):
    """An adapter, cut as the model is cut."""

    lora: LoRAConfig
    states: dict[int, bytes]
    "Bytes of a state file at version 0, by stage."


def adapter_states(
    directory: Path, base: BaseModelDir, num_stages: int, *, layers_per_stage: Sequence[int] | None = None
) -> StageStates:
    """The adapter in a PEFT directory for the stages of its base. The base's weights are not read.

    Raises:
        NotFound: there is no adapter.
        BadCheckpoint: it is of another base, or its files are not whole.
    """
    config, tensors = read_peft(directory, base_digest=base.digest)
    stages = empty_stages(base.args, num_stages, layers_per_stage=layers_per_stage)
    unplaced = set(tensors)
    for stage in stages:
        make_trainable(stage, config)
        fresh = lora_state_dict(stage, ADAPTER)
        unplaced -= fresh.keys()
        # A layer that the adapter leaves out keeps fresh matrices, which add nothing.
        load_lora_state_dict(stage, fresh | tensors, ADAPTER)
    if unplaced:
        raise BadCheckpoint(f"{directory}: the model has no {min(unplaced)}; the adapter is of another base")
    return StageStates(
        config, {index: TrainedWeights(stage).state_bytes() for index, stage in enumerate(stages)}
    )
