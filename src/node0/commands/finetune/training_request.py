# SPDX-License-Identifier: Apache-2.0
"""A request to train: the flags of `node0-finetune`, and the settings that they resolve to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.training_flags import needed, refuse_missing, warn_of_local_mode
from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.registry.schema import NAME
from node0.finetune.training.plan.training_settings import resolve_training
from node0.models.stage_name import StageName
from node0.settings import Resolved, flag_layer

NEEDED = ("role", "corpus_path", "checkpoint_dir")


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What the command line says; None and empty where it is silent."""

    flags: Mapping[str, Any]
    "Training settings that have a flag of their own."

    settings: tuple[str, ...]
    "More of them, as `lora.rank=8`."

    config: str | None
    run_config: str | None
    town: Path | None
    remote: RemoteFlags
    resume: str
    stop_after: int | None
    register: str | None
    "Name under which the result is registered."

    bead_id: str | None
    local_mode: bool
    local_stage: str | None

    @property
    def is_for_a_town(self) -> bool:
        """Whether the run must be a job of a town."""
        return (self.bead_id or self.register or self.town) is not None


def resolve(request: TrainingRequest) -> Resolved[FineTuneConfig]:
    """The settings and who set each; what cannot be is refused before anything is loaded.

    Raises:
        ConfigError: a flag or a setting makes no sense.
    """
    request.remote.refuse_contradictions(is_torchrun=console.torchrun() is not None)
    _refuse_name(request.register)
    flags = flag_layer(request.flags, request.settings)
    config = request.config or request.remote.config
    if config is None and request.run_config is None:
        refuse_missing(flags, needed(NEEDED, request.town))
    resolved, local = resolve_training(flags, config=config, run_config=request.run_config, town=request.town)
    if request.remote.wanted and resolved.values.quantize is not None:
        raise ConfigError(
            "the stages of a swarm hold their base in its own type; --set quantize=null, "
            "or train without a swarm"
        )
    _announce_local(
        request.local_mode or bool(local.get("local_mode")), request.local_stage or local.get("local_stage")
    )
    return resolved


def print_settings(resolved: Resolved[FineTuneConfig], *, as_json: bool) -> None:
    """Print every setting and who set it."""
    console.emit(resolved.rows(), as_json=as_json)


def _announce_local(local_mode: bool, local_stage: object) -> None:
    if local_stage is not None:
        StageName.parse(str(local_stage))
        if not local_mode:
            raise ConfigError("--local-stage needs --local-mode; without it a coordinator assigns the stage")
        console.note(f"local stage {local_stage}: this process runs every stage")
    if local_mode:
        warn_of_local_mode()


def _refuse_name(register: str | None) -> None:
    """Raise `ConfigError` before training, not after it, for a name that no model can have."""
    if register is not None and not re.fullmatch(NAME, register):
        raise ConfigError(
            f"--register {register!r} is no name of a model: use letters, digits, dots, - and _; "
            "begin with a letter or a digit"
        )
