# SPDX-License-Identifier: Apache-2.0
"""Show the stages of a town's rollout, and put a version to work for the one that is open."""

from pathlib import Path

from node0 import console
from node0.commands.model import deploy_models
from node0.commands.model.open_registry import open_registry
from node0.commands.town.rollout_state import rollout_stages
from node0.errors import ConfigError, GateRefused, NotFound
from node0.finetune.gastown.upkeep.role_state import newest_version
from node0.finetune.gastown.upkeep.stages import Stage, StageState
from node0.finetune.registry.store import ModelRegistry


def show(root: Path | None, *, as_json: bool) -> None:
    """Print a row for each stage: its role, how far it is, why, and the version that would come next."""
    with open_registry(root) as (registry, town):
        found = rollout_stages(town, registry)
        rows = [{**one._asdict(), "newest": _newest(registry, one)} for one in found]
    if rows or as_json:
        console.emit(rows, as_json=as_json)
    else:
        console.note("no stage: no role is to get a model; say it: node0 town install --role ROLE")


def advance(root: Path | None, *, kind: str, url: str | None) -> None:
    """Deploy the newest version of the stage that is open, through the gate.

    Raises:
        GateRefused: no stage is open, or the gate refuses the version.
        NotFound: no version is registered for the role.
        ConfigError: no role is to get a model.
    """
    with open_registry(root) as (registry, town):
        found = rollout_stages(town, registry)
        stage = _open(found)
        name = _newest(registry, stage)
    if not name:
        raise NotFound(
            f"no version is registered for {stage.role}; train one: node0 town nightly --role {stage.role}"
        )
    endpoint = deploy_models.endpoint(kind, url, "")
    deploy_models.deploy(name, town.root, rigs=(), endpoint=endpoint, force=False, reason="")


def _open(found: list[Stage]) -> Stage:
    if not found:
        raise ConfigError("no role is to get a model; say it: node0 town install --role ROLE")
    for one in found:
        if one.state is StageState.OPEN:
            return one
    waiting = next((f"{one.role} waits: {one.why}" for one in found if one.state is StageState.WAITS), "")
    raise GateRefused(waiting or "every stage is at work; see: node0 town rollout")


def _newest(registry: ModelRegistry, stage: Stage) -> str:
    newest = newest_version(registry, stage.role)
    return newest.spelled if newest is not None else ""
