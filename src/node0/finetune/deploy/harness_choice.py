# SPDX-License-Identifier: Apache-2.0
"""Which harness runs a deployed version: the one that its role runs already, unless somebody chooses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from node0.errors import ConfigError
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.deploy.agent import Agent, claude_agent
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.deploy.opencode_agent import opencode_agent
from node0.finetune.deploy.pi_agent import pi_agent
from node0.settings import nearest
from node0.town import Town

CLAUDE, OPENCODE, PI = "claude", "opencode", "pi"


class MakeAgent(Protocol):
    """Makes the agent of a version for one harness."""

    def __call__(self, name: str, profile: DeploymentProfile, endpoint: Endpoint, *, town: Town) -> Agent:
        """The agent, not yet written."""
        ...


HARNESSES: Mapping[str, MakeAgent] = {CLAUDE: claude_agent, OPENCODE: opencode_agent, PI: pi_agent}


def make_agent(harness: str) -> MakeAgent:
    """What makes agents for a harness.

    Raises:
        ConfigError: there is none for it.
    """
    if harness not in HARNESSES:
        known = ", ".join(HARNESSES)
        raise ConfigError(f"no harness {harness!r}{nearest(harness, list(HARNESSES))}; there are: {known}")
    return HARNESSES[harness]


def harness_of(town: Town, role: str, *, rig: str = "") -> str:
    """The harness of what gt starts for a role now; Claude Code where that is none of these.

    Args:
        town: With or without settings.
        role: The role.
        rig: Whose own settings come first; empty for the town's alone.

    Raises:
        ConfigError: a settings file is not JSON.
    """
    settings = [town.read_rig_settings(rig)] if rig else []
    settings.append(town.read_settings())
    entries = {name: one for table in reversed(settings) for name, one in _table(table, "agents").items()}
    asked = [_table(one, "role_agents").get(role) for one in settings]
    asked += [settings[0].get("agent") if rig else None, settings[-1].get("default_agent")]
    name = next((one for one in asked if isinstance(one, str) and one), CLAUDE)
    program = program_of(name, entries.get(name))
    return program if program in HARNESSES else CLAUDE


def program_of(name: str, entry: object) -> str:
    """The preset of gt that an agent is: its provider, else its command; a name without an entry is one."""
    if not isinstance(entry, Mapping):
        return name
    return str(entry.get("provider") or Path(str(entry.get("command") or CLAUDE)).name)


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = content.get(name)
    return part if isinstance(part, Mapping) else {}
