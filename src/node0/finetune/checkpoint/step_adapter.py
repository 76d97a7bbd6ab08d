# SPDX-License-Identifier: Apache-2.0
"""The adapter of one step of a run that may still be training, as PEFT reads it."""

from pathlib import Path

from torch import Tensor

from node0.documents.json_document import value_of
from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.files import copy_file, make_directory
from node0.finetune.checkpoint.peft import write_peft
from node0.finetune.run_dir import TRAINER, RunDirectory
from node0.lora.lora_config import LoRAConfig
from node0.lora.trainable import ADAPTER
from node0.models.stage_name import stage_names
from node0.server.stage.shard_file import read_shard, shard_files
from node0.step_directories import step_numbers


def complete_steps(run: RunDirectory) -> list[int]:
    """Steps whose shards all lie there, ascending: their training state is written last."""
    return sorted({*step_numbers(run.training_state)} & {*step_numbers(run.checkpoints)})


def write_step_adapter(run: RunDirectory, step: int, directory: Path) -> None:
    """Write what a run had learned at a step into a directory, with the run's settings beside it.

    Raises:
        NotFound: the directory is no run's, or the step or a stage of it is gone.
        ConfigError: the run trains all weights, or has no base.
        BadCheckpoint: a shard cannot be read.
    """
    settings = run.require_settings()
    lora, base = settings.get("lora"), settings.get("base_model")
    if lora is None or base is None:
        raise ConfigError(f"run {run.root} trains no adapter of a base; wait for its end")
    weights = _weights(run, step)
    make_directory(directory)
    copy_file(run.config_file, directory / run.config_file.name)
    write_peft(
        weights,
        directory,
        config=LoRAConfig.model_validate(lora),
        base_name=str(Path(base).resolve()) if Path(base).is_dir() else str(base),
        base_digest=_base_digest(run, step),
    )


def _weights(run: RunDirectory, step: int) -> dict[str, Tensor]:
    """The adapter's matrices of all stages, without the name that the adapter has in a run."""
    files = shard_files(run.checkpoints).get(step, [])
    if not files or step not in step_numbers(run.training_state):
        raise NotFound(f"run {run.root} keeps no checkpoint of step {step}; take a later one")
    found: dict[str, Tensor] = {}
    stages: set[str] = set()
    for file in files:
        try:
            shard = read_shard(file)
        except BadCheckpoint:
            if file.is_file():
                raise
            raise _gone(step) from None
        stages.add(shard.facts.stage)
        found |= {f"{name.removesuffix(ADAPTER)}weight": value for name, value in shard.weights.items()}
    if stages != set(map(str, stage_names(len(files)))):
        raise NotFound(
            f"the checkpoint of step {step} has {', '.join(sorted(stages))} and no other stage; "
            "take a later one"
        )
    return found


def _base_digest(run: RunDirectory, step: int) -> str | None:
    """The digest of the base that the run is of, as its trainer remembers it."""
    try:
        remembered = value_of((run.state(step) / TRAINER).read_text(encoding="utf-8"))
        return str(remembered["fingerprint"]["base_digest"])
    except FileNotFoundError:
        raise _gone(step) from None
    except (ValueError, KeyError, TypeError):
        return None


def _gone(step: int) -> NotFound:
    return NotFound(f"the checkpoint of step {step} was removed meanwhile; take a later one")
