# SPDX-License-Identifier: Apache-2.0
"""What the real gt starts for mayor, crew, boot and after a handoff, where versions of ours are deployed.

No server answers here: what counts is which program runs, with which settings.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
CREW = "de-crew-ada"
"The tmux session of the crew's member."


@dataclass(frozen=True)
class Started:
    """What ran."""

    agents: dict[str, list[str]]
    "By role."

    handed_over: list[str]
    "Agents of the crew after its handoff."


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Each role was started, and the crew's session handed off."""
    with real_town(tmp_path_factory.mktemp("home")) as town:
        place = Town(town.root)
        # Its clone is a repository of its own, and trusted where it is there when we install.
        town.run("gt", "crew", "add", "ada", "--rig", "demo")
        register(place, town.home / "base", [*ROLES])
        deploy(place, *(f"{role}:1" for role in ROLES))
        town.node0("town", "install", "--town", town.root, "--yes", "--no-timer")
        try:
            agents = {role: start(town, role) for role in ROLES}
            first = pane(town)
            handed = hand_off(town, first)
            yield Started(agents, handed)
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


def pane(town: RealTown) -> str:
    """The process of the crew's session."""
    return town.tmux("list-panes", "-t", f"={CREW}", "-F", "#{pane_pid} #{pane_start_command}").strip()


def hand_off(town: RealTown, before: str) -> list[str]:
    """What runs for the crew after a handoff out of its own session."""
    where = town.root / "demo" / "crew" / "ada"
    inside = ["TMUX=#{socket_path},#{pid},0", "TMUX_PANE=#{pane_id}"]
    told = [town.tmux("display-message", "-p", "-t", f"={CREW}:", one).strip() for one in inside]
    told += ["GT_ROLE=demo/crew/ada", "GT_RIG=demo", "GT_CREW=ada", "GT_AGENT=ft-crew-v1"]
    said = town.run(
        "env", "-C", where, *told,
        "gt", "handoff", CREW, "--yes", "--no-git-check", "--watch=false", code=None,
    )  # fmt: skip
    until(lambda: pane(town) != before, lambda: f"{said}\n{before}\n{pane(town)}\n{town.panes()}")
    until(lambda: bool(town.running("crew")), lambda: f"{said}\n{town.panes()}")
    return town.running("crew")


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


@pytest.mark.parametrize("role", ROLES)
def test_gt_starts_the_agent_that_was_deployed(started: Started, role: str) -> None:
    assert started.agents[role] == [f"ft-{role}-v1"]


def test_a_handoff_starts_the_agent_that_the_session_had(started: Started) -> None:
    assert started.handed_over == ["ft-crew-v1"]
