# SPDX-License-Identifier: Apache-2.0
"""How far the rollout of a town is, by what is at work and how its sessions ended."""

from node0.finetune.gastown.own_settings import read_own_settings
from node0.finetune.gastown.upkeep.stages import AtStage, RolloutSettings, Stage, stages
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import DeploymentState
from node0.finetune.registry.live_outcomes import LiveOutcomes
from node0.finetune.registry.store import ModelRegistry
from node0.settings import read_block
from node0.town import Town


def rollout_stages(town: Town, registry: ModelRegistry) -> list[Stage]:
    """Every stage of a town, in order.

    Raises:
        ConfigError: the town's settings of ours cannot be read.
    """
    settings = read_block(RolloutSettings, town.model_settings_file, block="rollout")
    return stages(read_own_settings(town).roles, _at_work(registry), settings)


def _at_work(registry: ModelRegistry) -> dict[str, AtStage]:
    """By role, the version that was put to work last, with its outcomes since anybody put it to work."""
    outcomes = LiveOutcomes(registry.store)
    found = {}
    for row in DeploymentLog(registry.store).list(DeploymentState.ACTIVE):
        ended = [one.succeeded for one in outcomes.list(registry.require(row.spelled))]
        found[row.role] = AtStage(row.spelled, len(ended), sum(ended))
    return found
