# SPDX-License-Identifier: Apache-2.0
"""Prepare a run over several machines: its directory, and the lines to run on each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.training_flags import needed, refuse_missing
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.chosen_model import choose_model, own_arguments
from node0.finetune.training.plan.learning_rate import with_peak_rate
from node0.finetune.training.plan.training_settings import absolute, resolve_training
from node0.settings import Resolved, flag_layer, validate
from node0.swarm.run.create import Line, create_run, new_run_id, refuse_existing, start_lines
from node0.swarm.run.layout import first_port, lay_out
from node0.swarm.run.swarm_run import SwarmRun

NEEDED = ("role", "corpus_path")
TRAINING = "training"
"The trainer's run directory inside the swarm's, where none is named."


@dataclass(frozen=True, slots=True)
class NewRun:
    """What the command line says of a run that is to be made."""

    directory: Path
    stages: int
    replicas: Mapping[str, int]
    "Members of a stage, by its name."

    spares: int
    hosts: Mapping[str, str]
    "Address by member."

    wire: str
    config: str | None
    flags: Mapping[str, Any]
    "Training settings; None where a flag was not given."

    settings: tuple[str, ...]
    "More of them, as `lora.rank=8`."

    town: Path | None


def prepare_run(request: NewRun, *, as_json: bool) -> None:
    """Make the directory of a run, and print the command that starts each member of it."""
    refuse_existing(request.directory)
    flags = flag_layer(request.flags, request.settings)
    resolved = _resolve(flags, request)
    slots = lay_out(
        request.stages,
        replicas=request.replicas,
        spares=request.spares,
        hosts=request.hosts,
        start=first_port(str(request.directory)),
    )
    common = _common(resolved.values, run_id=new_run_id(request.directory), wire=request.wire)
    model = choose_model(resolved.values)
    settings = Resolved(with_peak_rate(resolved.values, own_arguments(model.args)), resolved.sources)
    made = create_run(
        request.directory,
        slots,
        common=validate(SwarmRun, {**common, "base_digest": model.digest}, source="flags"),
        settings=settings.to_yaml(),
    )
    _show(start_lines(request.directory, made), as_json=as_json)


def _resolve(flags: Mapping[str, Any], request: NewRun) -> Resolved[FineTuneConfig]:
    """The training settings, every path in them absolute: they are read in other places.

    The trainer's run directory lies in the swarm's, unless flags or the file name one.
    """
    if request.config is None:
        refuse_missing(flags, needed(NEEDED, request.town))
    kept = {"checkpoint_dir": str(request.directory / TRAINING)}
    resolved, _ = resolve_training(flags, config=request.config, town=request.town, defaults=kept)
    return absolute(resolved)


def _common(config: FineTuneConfig, *, run_id: str, wire: str) -> dict[str, Any]:
    """Everything of run.json but the members and the base's digest, checked before the base is looked at."""
    tree = {
        "run_id": run_id,
        "local_mode": True,
        "num_stages": config.num_stages,
        "layers_per_stage": config.layers_per_stage,
        "wire": wire,
        "base_model": config.base_model,
        "base_revision": config.base_revision,
    }
    validate(SwarmRun, tree, source="flags")
    return tree


def _show(lines: list[Line], *, as_json: bool) -> None:
    """Each line alone under who runs it where: a table would fold it, and it is there to be copied."""
    if as_json:
        console.emit([line._asdict() for line in lines], as_json=True)
        return
    for line in lines:
        where = f"on {line.machine}, in the home directory" if line.machine else "on this machine"
        console.write(f"# {line.member}, {where}\n{line.command}\n")
