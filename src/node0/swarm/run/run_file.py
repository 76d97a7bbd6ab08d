# SPDX-License-Identifier: Apache-2.0
"""Read and write a swarm's run.json, and name the files beside it.

Every machine of a run has the same file, and a key file of its own. It holds no secret.
"""

import json
from pathlib import Path
from typing import Any

from node0.errors import ConfigError
from node0.files import write_atomically
from node0.models.stage_name import StageName, stage_names
from node0.settings import read_tree, validate
from node0.swarm.run.swarm_run import SwarmRun
from node0.utils.common import build_cls

RUN_FILE = "run.json"
TRAINING_FILE = "finetune.yaml"
KEYS = "identities"


def read_run(path: Path) -> SwarmRun:
    """The run in a file, or in the run.json of a directory.

    Raises:
        ConfigError: it cannot be read, or a value in it cannot be used; one line says which.
    """
    file = path / RUN_FILE if path.is_dir() else path
    tree = read_tree(file)
    try:
        run = validate(SwarmRun, tree, source=file.name)
        _refuse_contradictions(run)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return run


def is_run_of_swarm(directory: Path) -> bool:
    """Whether `node0 swarm init` made this directory, or it is one machine's part of such a one."""
    return (directory / RUN_FILE).is_file() and (directory / KEYS).is_dir()


def write_run(directory: Path, run: SwarmRun) -> None:
    """Write run.json, whole."""
    write_atomically(directory / RUN_FILE, json.dumps(run.model_dump(mode="json"), indent=1) + "\n")


def key_file(directory: Path, name: str) -> Path:
    """Where the key of the member with that name lies."""
    return directory / KEYS / f"{name}.key"


def authorizer_of(run: SwarmRun, *, local_mode: bool = False) -> Any | None:
    """What admits peers to the DHT; None in local mode, whether the flag or the file says so.

    Raises:
        ConfigError: neither local mode nor an authorizer is set, or it cannot be built.
    """
    if local_mode or run.local_mode or run.bypass_auth:
        return None
    if run.authorizer is None:
        raise ConfigError(
            "nobody decides who may join: give --local-mode (allow-listed peers only), "
            'or "authorizer": {"class_name": ..., "init_args": ...} in run.json'
        )
    return build_cls(run.authorizer.class_name, run.authorizer.init_args)


def _refuse_contradictions(run: SwarmRun) -> None:
    """A file without members says only how to join; one with members names all of them."""
    if run.layers_per_stage is not None and len(run.layers_per_stage) != run.num_stages:
        raise ConfigError(
            f"layers_per_stage has {len(run.layers_per_stage)} counts for {run.num_stages} stages; "
            "give one a stage"
        )
    for text in run.stages:
        StageName.parse(text, num_stages=run.num_stages)
    missing = [str(name) for name in stage_names(run.num_stages) if not run.stages.get(str(name))]
    if run.stages and missing:
        raise ConfigError(f"nobody holds {', '.join(missing)}; give each stage at least one member")
    holders: dict[str, str] = {}
    for member in run.members:
        other = holders.setdefault(member.peer_id, member.name)
        if other != member.name:
            raise ConfigError(f"{other} and {member.name} have one peer id; each needs a key of its own")
