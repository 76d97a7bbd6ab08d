# SPDX-License-Identifier: Apache-2.0
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.town import Town


def test_what_others_wrote_over_a_deployment_is_written_again(town: Town, deployer: Deployer) -> None:
    row = deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    with town.edit_settings() as settings:
        settings["role_agents"]["deacon"] = "opus"
        settings["cli_theme"] = "dark"

    (told,) = deployer.restore([row])

    assert "role_agents.deacon" in told and "opus" in told
    assert town.read_settings()["role_agents"]["deacon"] == "ft-deacon-v1"
    assert town.read_settings()["cli_theme"] == "dark"
    assert deployer.restore([row]) == []
