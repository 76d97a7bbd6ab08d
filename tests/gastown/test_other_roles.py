# SPDX-License-Identifier: Apache-2.0
"""What the real gt starts for mayor, crew and boot, where versions of ours are deployed.

No server answers here: what counts is which program runs, with which settings.
"""

import time
from collections.abc import Callable, Iterator

import pytest
from gastown.real_town import SECONDS, RealTown, real_town, why_not
from gastown.role_town import register

from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

MISSING = why_not("claude")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
ROLES = ("mayor", "crew", "boot")
STARTS = {"mayor": ("mayor", "start"), "crew": ("crew", "start", "demo", "ada"), "boot": ("boot", "spawn")}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """Agents that ran for each role once it was started."""
    with real_town(tmp_path_factory.mktemp("home")) as town:
        place = Town(town.root)
        # Its clone is a repository of its own, and trusted where it is there when we install.
        town.run("gt", "crew", "add", "ada", "--rig", "demo")
        register(place, town.home / "base", [*ROLES])
        deploy(place, *(f"{role}:1" for role in ROLES))
        town.node0("town", "install", "--town", town.root, "--yes", "--no-timer")
        try:
            yield {role: start(town, role) for role in ROLES}
        finally:
            town.tmux("kill-server")


def deploy(place: Town, *names: str) -> None:
    """Past the gate and without a probe: nobody answers."""
    registry = ModelRegistry(place)
    deployer = Deployer(place, registry, probe=lambda *_: None)
    for name in names:
        endpoint = Endpoint(url="http://127.0.0.1:9")
        deployer.deploy(deployer.plan(name, endpoint=endpoint), force=True, reason="a test")
    registry.close()


def start(town: RealTown, role: str) -> list[str]:
    """The agents that run for a role once gt has started it."""
    said = town.run("gt", *STARTS[role], code=None)
    until(lambda: bool(town.running(role)), lambda: f"{role}: {said}\n{town.panes()}")
    return town.running(role)


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


@pytest.mark.parametrize("role", ROLES)
def test_gt_starts_the_agent_that_was_deployed(started: dict[str, list[str]], role: str) -> None:
    assert started[role] == [f"ft-{role}-v1"]
