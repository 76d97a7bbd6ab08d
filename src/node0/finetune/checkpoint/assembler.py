# SPDX-License-Identifier: Apache-2.0
"""Assemble one checkpoint from the shards of all stages.

    merged_lora.safetensors     the trained weights by their names in the whole model (`merged_full`: no LoRA)
    adapter/                    the same as PEFT reads it
    pipeline/                   weights and optimizer, as `Pipeline.save` writes them
    trainer.json                where the trainer stood, when it told the stages
    digests.json                of all of these

With the last three `node0 finetune --resume DIRECTORY` goes on from there.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from node0.directory_digests import write_digests
from node0.errors import BadCheckpoint, ConfigError
from node0.files import whole_directory, write_atomically
from node0.finetune.checkpoint.peft import write_peft
from node0.finetune.run_dir import PIPELINE, TRAINER
from node0.lora.lora_config import LoRAConfig
from node0.models.stage_name import StageName, stage_names
from node0.models.weights import save_tensors
from node0.server.stage.shard_file import Shard, read_shard
from node0.server.stage.state_file import write_state

ADAPTER_DIRECTORY = "adapter"

_LORA = re.compile(r"(.+\.lora_[AB])\.\w+")


def assemble_checkpoint(
    stage_shards: Mapping[str, Path], output_path: Path, *, base_name: str | None = None
) -> Path:
    """Write the directory `output_path`, whole or not at all, and return its file of merged weights.

    `base_name` is what the adapter names as its base; None names the base's digest.

    Raises:
        BadCheckpoint: a shard cannot be read, is of another stage, step, base or version than the others
            say, or a stage is missing.
    """
    shards = _in_order(stage_shards)
    _refuse_mixed(shards)
    with whole_directory(output_path) as beside:
        merged = _write(shards, beside, base_name)
        write_digests(beside)
    return output_path / merged


def _in_order(stage_shards: Mapping[str, Path]) -> list[Shard]:
    """Every shard, read: head first, tail last."""
    try:
        names = sorted(StageName.parse(stage) for stage in stage_shards)
    except ConfigError as fault:
        raise BadCheckpoint(f"cannot assemble a checkpoint: {fault}") from None
    shards = [read_shard(stage_shards[str(name)]) for name in names]
    for name, shard in zip(names, shards, strict=True):
        if shard.facts.stage != str(name):
            raise BadCheckpoint(
                f"{stage_shards[str(name)]} is of stage {shard.facts.stage}, not {name}; gather it again"
            )
    num_stages = next((each.facts.num_stages for each in shards if each.facts.num_stages), len(names))
    absent = [str(name) for name in stage_names(num_stages) if name not in names]
    if absent or not names:
        raise BadCheckpoint(f"the checkpoint lacks stage {', '.join(absent) or 'head-0'}; gather it first")
    if len(names) != num_stages:
        raise BadCheckpoint(f"{len(names)} shards make no model of {num_stages} stages; gather them again")
    return shards


def _refuse_mixed(shards: Sequence[Shard]) -> None:
    first = shards[0].facts
    for facts in (each.facts for each in shards):
        for field in ("step", "version", "base_digest", "num_stages", "lora", "progress"):
            mine, theirs = getattr(first, field), getattr(facts, field)
            if mine != theirs:
                shown = "" if field == "progress" else f" {theirs!r}, {first.stage} has {mine!r}"
                raise BadCheckpoint(f"shard {facts.stage} has another {field}{shown}; gather one cut")


def _write(shards: Sequence[Shard], directory: Path, base_name: str | None) -> str:
    weights = _merged(shards)
    facts = shards[0].facts
    is_lora = all(_LORA.fullmatch(name) for name in weights)
    name = f"merged_{'lora' if is_lora else 'full'}.safetensors"
    save_tensors(directory / name, weights, {"format": "pt"})
    if facts.lora is not None:
        write_peft(
            {_LORA.sub(r"\1.weight", name): value for name, value in weights.items()},
            directory / ADAPTER_DIRECTORY,
            config=_lora_config(facts.lora),
            base_name=base_name or facts.base_digest or "unknown",
            base_digest=facts.base_digest,
        )
    if facts.version is not None:
        for index, shard in enumerate(shards):
            path = directory / PIPELINE / f"state-{index:03}.safetensors"
            write_state(path, shard.state, version=facts.version)
    if facts.progress is not None:
        write_atomically(directory / TRAINER, facts.progress)
    return name


def _merged(shards: Sequence[Shard]) -> dict[str, Tensor]:
    """All weights, in the order of the stages. Both holders of a tied table must have the same."""
    merged: dict[str, Tensor] = {}
    for shard in shards:
        for name, tensor in shard.weights.items():
            if name in merged and not torch.equal(merged[name], tensor):
                raise BadCheckpoint(f"shard {shard.facts.stage} has another {name} than one before it")
            merged[name] = tensor
    return merged


def _lora_config(given: Mapping[str, object]) -> LoRAConfig:
    try:
        return LoRAConfig.model_validate(given)
    except ValidationError as error:
        reason = str(error).splitlines()[0]
        raise BadCheckpoint(f"a shard's adapter is none that this program writes: {reason}") from None
