# SPDX-License-Identifier: Apache-2.0
"""A deployment or a rollback that is killed anywhere leaves a town before it or after it."""

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from deploy_town import SETTINGS, deployer, registry, town

from node0.commands.model.model_options import main
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

pytestmark = pytest.mark.integration

PROCESS = Path(__file__).with_name("deploy_process.py")
KILLS = 20
SEED = 20261125


def _run(town: Town, command: str, fatal: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(PROCESS), str(town.root), command, str(fatal)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def _copy_of(town: Town, directory: Path) -> Town:
    """The town as it was, always in the same place: what is deployed names it, and is named by a digest."""
    place = directory / "copy"
    shutil.rmtree(place, ignore_errors=True)
    return Town(shutil.copytree(town.root, place))


def _not_ours(text: str) -> list[str]:
    """The lines of a settings file that no deployment writes."""
    return [line for line in SETTINGS.splitlines() if "agents" not in line and line in text]


def _agent(town: Town) -> str:
    return str(json.loads(town.settings_file.read_text())["role_agents"]["deacon"])


@pytest.mark.parametrize("command", ["deacon:2", "rollback"])
def test_a_kill_anywhere_leaves_the_town_before_or_after(
    command: str, town: Town, deployer: Deployer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    if command == "rollback":
        deployer.deploy(deployer.plan("deacon:2", endpoint=Endpoint()))
    before = town.settings_file.read_text()
    copy = _copy_of(town, tmp_path)
    total = int(_run(copy, command, 0).stdout)
    after_all = copy.settings_file.read_text()
    names = {"ft-deacon-v1", "ft-deacon-v2"}
    points = random.Random(SEED).sample(range(1, total + 1), KILLS)

    for point in points:
        copy = _copy_of(town, tmp_path)
        done = _run(copy, command, point)
        assert done.returncode == -signal.SIGKILL, done.stderr
        text = copy.settings_file.read_text()
        assert json.loads(text)["scheduler"] == {"max_polecats": 3.0, "note": "café"}
        assert _not_ours(text) == _not_ours(SETTINGS)
        assert text in (before, after_all)

        assert main(["show", "deacon@active", "--town", str(copy.root)]) == 0
        page = capsys.readouterr().out
        found = ModelRegistry(copy)
        at_work = [entry for entry in found.list() if entry.deployment_status == "active"]
        assert DeploymentLog(found.store).unfinished() == []
        assert [f"ft-deacon-v{entry.version}" for entry in at_work] == [_agent(copy)]
        assert _agent(copy) in names
        assert f"deacon:{at_work[0].version}" in page
        found.close()
