# SPDX-License-Identifier: Apache-2.0
"""What the real gt starts for mayor, crew and boot, and what a handoff starts, where a version is at work."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from gastown.real_town import real_town, why_not
from gastown.role_town import RoleTown, role_town

MISSING = why_not("claude")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
ROLES = ("mayor", "crew", "boot")
STARTS = (("mayor", "start"), ("crew", "start", "demo", "ada"), ("boot", "spawn"))


@dataclass(frozen=True)
class Started:
    """What ran for each role, and what a handoff started."""

    roles: RoleTown
    agents: dict[str, list[str]]
    handed_over: list[str]
    "Agents of the crew after its handoff."

    sessions: dict[str, str]
    "What the sessions' environments call their agents, by name."


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Each role was started and has asked its version; the crew's session was handed off."""
    with (
        real_town(tmp_path_factory.mktemp("home")) as town,
        role_town(town, {role: ["Done."] for role in ROLES}) as roles,
    ):
        for words in STARTS:
            town.run("gt", *words, code=None)
        for role in ROLES:
            roles.wait(role, 1)
        agents = {role: town.running(role) for role in ROLES}
        pane = town.tmux("list-panes", "-t", "=de-crew-ada", "-F", "#{pane_pid}").strip()
        where = town.root / "demo" / "crew" / "ada"
        told = {
            "GT_ROLE": "demo/crew/ada", "GT_RIG": "demo", "GT_CREW": "ada", "GT_AGENT": "ft-crew-v1",
        }  # fmt: skip
        variables = [f"{name}={value}" for name, value in told.items()]
        said = town.run(
            "env", "-C", where, *variables, "gt", "handoff", "crew", "--yes", "--no-git-check", code=None
        )
        print(said)
        before = len(roles.told("crew"))
        roles.wait("crew", before)
        print(pane, town.tmux("list-panes", "-a", "-F", "#{session_name} #{pane_pid} #{pane_start_command}"))
        live = {
            name: town.tmux("show-environment", "-t", f"={name}", "GT_AGENT").strip()
            for name in town.tmux("list-sessions", "-F", "#S").split()
        }
        print(live)
        yield Started(roles, agents, town.running("crew"), live)


@pytest.mark.parametrize("role", ROLES)
def test_gt_starts_the_agent_that_was_deployed(started: Started, role: str) -> None:
    assert started.agents[role] == [f"ft-{role}-v1"]
