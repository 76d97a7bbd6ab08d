# SPDX-License-Identifier: Apache-2.0
"""Which agent gt starts for a role, by the town's settings.

The order is gt's (internal/config/loader.go): the rig's `role_agents`, the town's, the rig's `agent`, the
town's `default_agent`, `claude`. A name that it does not know is passed over with a warning that nobody
reads. Dogs run on Claude Haiku unless they are given another harness than Claude's. A member of a crew may
have an agent of its own: the rig's `worker_agents`, the town's `crew_agents`. An agent given with `--agent`,
and GT_COST_TIER in the environment of gt, win over all of it and are not seen here.

`session.start_command` of a role's own file wins over an agent of Claude's, like ours, where the daemon
starts a role again and where `gt witness start` does (internal/{daemon/lifecycle,witness/manager}.go).
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from node0.errors import ConfigError
from node0.finetune.role import Role
from node0.town import Town

BUILT_IN = frozenset(
    ("claude", "gemini", "codex", "cursor", "auggie", "amp", "opencode", "copilot", "pi", "omp", "vibe")
) | {"groq-compound"}
"Presets of gt 1.0."

OF_TOWN = (Role.MAYOR, Role.DEACON, Role.BOOT, Role.DOG)
OF_RIG = (Role.WITNESS, Role.REFINERY, Role.POLECAT, Role.CREW)
OURS = "ft-"
"How the names of our agents begin."

DOG_AGENT = "claude-haiku"
USUAL_COMMAND = "claude --dangerously-skip-permissions"
"What gt's own role files say; it counts as none."


class Member(NamedTuple):
    """A member of a crew that has an agent of its own."""

    name: str
    agent: str
    source: str
    "The setting that says so."

    def __str__(self) -> str:
        return f"{self.source} is {self.agent}"


class RoleAgent(NamedTuple):
    """What a role runs."""

    role: str
    rig: str
    "Empty for the town."

    agent: str
    source: str
    "The setting that says so."

    passed_over: tuple[str, ...] = ()
    "Settings that name an agent which gt does not have, and so do not count."

    not_followed: str = ""
    "Setting that names an agent which gt has and does not start for this role; empty where there is none."

    members: tuple[Member, ...] = ()
    "Of a crew, those that have an agent of their own."

    own_command: str = ""
    "The role's file whose command gt may start in the place of the agent; empty where there is none."


def role_agents(town: Town) -> list[RoleAgent]:
    """What each role of the town runs, and each role of each rig.

    Raises:
        ConfigError: a settings file is not JSON, or a role's file no TOML.
    """
    settings = town.read_settings()
    presets = BUILT_IN | _table(town.read_presets(), "agents").keys()
    found = [_resolve(role, "", settings, {}, presets) for role in OF_TOWN]
    for rig in town.rigs():
        own = town.read_rig_settings(rig)
        known = presets | _table(town.read_presets(rig), "agents").keys()
        found += [_resolve(role, rig, settings, own, known) for role in OF_RIG]
    return [one._replace(own_command=_own_command(town, one)) for one in found]


def _own_command(town: Town, one: RoleAgent) -> str:
    """The file that gives a role a command of its own; the rig's comes before the town's."""
    files = [town.role_file(one.role, one.rig)] if one.rig else []
    for file in (*files, town.role_file(one.role)):
        if command := _start_command(file):
            is_usual = command.removeprefix("exec ") == USUAL_COMMAND
            return "" if is_usual else file.relative_to(town.root).as_posix()
    return ""


def _start_command(file: Path) -> str:
    try:
        session = _table(tomllib.loads(file.read_bytes().decode()), "session")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read ({error}): repair it") from None
    return str(session.get("start_command") or "")


def _resolve(
    role: str, rig: str, settings: Mapping[str, Any], own: Mapping[str, Any], presets: frozenset[str]
) -> RoleAgent:
    entries = {**_table(settings, "agents"), **_table(own, "agents")}
    known = presets | entries.keys()
    named = list(_candidates(role, rig, settings, own))
    passed_over = tuple(f"{source} is {agent}" for source, agent in named if agent not in known)
    there = [(source, agent) for source, agent in named if agent in known]
    if role == Role.DOG and all(_is_claude(agent, entries) for _, agent in there):
        instead = f"{there[0][0]} is {there[0][1]}" if there else ""
        return RoleAgent(role, rig, DOG_AGENT, "what gt gives dogs", passed_over, instead)
    source, agent = there[0] if there else ("gt's default", "claude")
    members = tuple(_members(rig, settings, own)) if role == Role.CREW else ()
    return RoleAgent(role, rig, agent, source, passed_over, members=members)


def _members(rig: str, settings: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[Member]:
    """Single members of a rig's crew whose settings gt asks before those of the role."""
    of_rig, of_town = _table(own, "worker_agents"), _table(settings, "crew_agents")
    for name, agent in sorted({**of_town, **of_rig}.items()):
        where = f"worker_agents.{name} of {rig}" if name in of_rig else f"crew_agents.{name}"
        yield Member(name, str(agent), where)


def _candidates(
    role: str, rig: str, settings: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Settings that name an agent, in the order in which gt asks them."""
    asked = [
        (f"role_agents.{role} of {rig}", _table(own, "role_agents").get(role)),
        (f"role_agents.{role}", _table(settings, "role_agents").get(role)),
        (f"agent of {rig}", own.get("agent")),
        ("default_agent", settings.get("default_agent")),
    ]
    return ((source, agent) for source, agent in asked if isinstance(agent, str) and agent)


def _is_claude(agent: str, entries: Mapping[str, Any]) -> bool:
    entry = entries.get(agent)
    if not isinstance(entry, Mapping):
        return agent in ("claude", "groq-compound")
    command = str(entry.get("command") or "claude").rpartition("/")[2]
    return str(entry.get("provider") or command) == "claude"


def _table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name)
    return dict(part) if isinstance(part, Mapping) else {}
