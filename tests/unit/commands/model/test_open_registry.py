# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from deploy_town import deployer, registry, town

from node0.commands.model.open_registry import open_deployer, open_registry
from node0.errors import ConfigError
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import DeploymentState
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]


def _leave_unfinished(deployer: Deployer, registry: ModelRegistry) -> None:
    """As a process that died after it began."""
    done = deployer.deploy(deployer.plan("deacon:2", endpoint=Endpoint()))
    deployer.rollback("deacon")
    DeploymentLog(registry.store).begin(done.model_copy(update={"state": DeploymentState.STARTED}))


def test_looking_makes_no_file(town: Town) -> None:
    with open_registry(town.root) as (found, _):
        assert found.list() == []

    assert not town.models.exists()


def test_the_next_command_undoes_what_was_left_unfinished(
    town: Town, deployer: Deployer, registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    _leave_unfinished(deployer, registry)

    with open_deployer(town.root) as (_, found, _town):
        rows = DeploymentLog(found.store).list()

    assert rows[-1].state is DeploymentState.REVERTED
    assert "an unfinished change of deacon to deacon:2 was undone" in capsys.readouterr().err


def test_whoever_looks_is_told_where_it_cannot_be_undone_and_whoever_changes_is_stopped(
    town: Town, deployer: Deployer, registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    _leave_unfinished(deployer, registry)
    town.settings_file.write_text("{")

    with open_deployer(town.root) as (_, found, _town):
        assert len(found.list()) == 3
    assert "warning: an unfinished deployment is still to be undone" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"config\.json"), open_deployer(town.root, create=True):
        pass


def test_a_directory_that_is_not_there_is_no_town(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no town"), open_registry(tmp_path / "gone"):
        pass
