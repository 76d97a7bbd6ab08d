# SPDX-License-Identifier: Apache-2.0
from deploy_town import deployer, registry, town

from node0.commands.town.rollout_state import rollout_stages
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.live_outcomes import LiveOutcome, LiveOutcomes
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]


def states(town: Town, registry: ModelRegistry) -> list[tuple[str, str]]:
    return [(one.role, one.state.value) for one in rollout_stages(town, registry)]


def test_the_next_stage_opens_by_the_outcomes_of_what_is_at_work(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    town.model_settings_file.write_text(
        "town: {roles: [deacon, witness]}\nrollout: {sessions: 8, success: 0.5}"
    )
    assert states(town, registry) == [("deacon", "open"), ("witness", "waits")]

    deployer.deploy(deployer.plan("deacon:2", endpoint=Endpoint()))
    assert states(town, registry) == [("deacon", "at work"), ("witness", "waits")]

    outcomes = [
        LiveOutcome(session_id=f"s{number}", at="2026-03-01T12:00:00+00:00", succeeded=True)
        for number in range(8)
    ]
    LiveOutcomes(registry.store).add(registry.require("deacon:1"), outcomes)
    assert states(town, registry)[1] == ("witness", "waits")
    LiveOutcomes(registry.store).add(registry.require("deacon:2"), outcomes)
    assert states(town, registry) == [("deacon", "at work"), ("witness", "open")]
