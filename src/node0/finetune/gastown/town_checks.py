# SPDX-License-Identifier: Apache-2.0
"""Check what a town says of itself: the town, its rigs, what its roles run, its agents, its Dolt server."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from node0.check_result import CheckResult, bad, note, ok
from node0.errors import Node0Error
from node0.finetune.gastown.role_agents import OURS, RoleAgent, role_agents
from node0.finetune.gastown.upkeep.harness_limits import harness_limits
from node0.store.bead_queries import bead_databases
from node0.town import Town

AGENT_KEYS = frozenset(
    (
        *("provider", "command", "args", "env", "initial_prompt", "prompt_mode", "session", "hooks", "tmux"),
        *("instructions", "acp", "exec_wrapper"),
    )
)
"Keys of an agent that gt 1.0 knows (internal/config/types.go); it drops the others when it next writes."

FILE_OPTIONS = ("--settings", "--system-prompt-file", "--system-prompt", "-e")


def town_checks(town: Town) -> Iterator[CheckResult]:
    """Every check of the town's own files and of its Dolt server."""
    if not town.is_gas_town:
        yield bad("town", f"{town.root} is no Gas Town: mayor/town.json is missing", "name it with --town")
        return
    yield ok("town", str(town.root))
    yield rigs(town.rigs())
    try:
        settings, found = town.read_settings(), role_agents(town)
    except Node0Error as error:
        yield _failed("roles", error)
    else:
        tables = _tables(town, settings)
        yield from roles(found, tier=town.cost_tier)
        yield from agents(tables)
        yield from harness_limits(found, tables.values())
    yield dolt(town)


def rigs(names: Sequence[str]) -> CheckResult:
    """Whether there are rigs."""
    if not names:
        return note("rigs", "none", "gt rig add NAME URL")
    return ok("rigs", ", ".join(names))


def roles(found: Sequence[RoleAgent], *, tier: str = "") -> Iterator[CheckResult]:
    """A line for each agent with the roles that run it, and one for each name that gt passes over."""
    running: dict[str, list[str]] = {}
    for one in found:
        running.setdefault(one.agent, []).append(f"{one.rig}/{one.role}" if one.rig else one.role)
    for agent, names in sorted(running.items()):
        yield ok("roles", f"{agent}: {', '.join(names)}")
    for said in dict.fromkeys(said for one in found for said in one.passed_over):
        yield bad(
            "roles", f"{said}, an agent that gt does not have", "gt config agent list shows those it has"
        )
    yield from own_commands(found)
    yield from not_started(found)
    if tier:
        ours = [one for one in found if one.agent.startswith(OURS)]
        state = bad if ours else note
        told = f"GT_COST_TIER is {tier}: gt started from here gives roles the agents of that tier"
        yield state("roles", told, "unset GT_COST_TIER before gt starts the town")


def not_started(found: Sequence[RoleAgent]) -> Iterator[CheckResult]:
    """A line for each setting that names an agent of ours in vain, and for each that goes before one."""
    for one in found:
        if one.not_followed.rpartition(" ")[2].startswith(OURS):
            told = (
                f"{one.not_followed}; gt runs a {one.role} on {one.agent}, whatever agent of Claude's it has"
            )
            do = f"deploy a version for {one.role} with --harness opencode or pi, or sling with --agent"
            yield bad("roles", told, do)
        if one.agent.startswith(OURS):
            for member in one.members:
                yield note("roles", f"{member}: it goes before {one.agent}", "take it out, or leave it so")


def own_commands(found: Sequence[RoleAgent]) -> Iterator[CheckResult]:
    """A line for each role with an agent of ours that gt may start by a command of the role's own."""
    for one in found:
        if one.own_command and one.agent.startswith(OURS):
            told = (
                f"{one.own_command} has a start_command: the daemon starts that in the place of {one.agent}"
            )
            yield bad("roles", told, f"take start_command out of {one.own_command}")


def agents(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[CheckResult]:
    """Whether entries of agents have only keys that gt knows, and ours the files that they name.

    Args:
        tables: `agents` by the settings file that holds it.
    """
    count, problems = 0, []
    for place, table in tables.items():
        count += len(table)
        problems += [found for name, entry in table.items() for found in _problems(place, name, entry)]
    yield from problems
    if not problems:
        yield ok("agents", f"{count} of the town's own" if count else "none of the town's own")


def dolt(town: Town) -> CheckResult:
    """Whether the server of the town's beads answers, and holds a database for the town and each rig."""
    if not town.has_beads:
        return note("dolt", "the town keeps no beads", "gt install makes them, unless --no-beads")
    try:
        server = town.dolt_server()
        found = bead_databases(server)
    except Node0Error as error:
        return _failed("dolt", error)
    shown = f"{', '.join(found) or 'no database of bd'} at {server.host}:{server.port}"
    wanted = 1 + len(town.rigs())
    if len(found) < wanted:
        return bad("dolt", f"{shown}, where town and rigs are {wanted}", "gt doctor")
    return ok("dolt", shown)


def _tables(town: Town, settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    places = {"settings/config.json": settings}
    places |= {f"{rig}/settings/config.json": town.read_rig_settings(rig) for rig in town.rigs()}
    tables = {place: content.get("agents") for place, content in places.items()}
    return {place: table for place, table in tables.items() if isinstance(table, Mapping)}


def _problems(place: str, name: str, entry: Any) -> Iterator[CheckResult]:
    if not isinstance(entry, Mapping):
        yield bad("agents", f"{name} in {place} is no object", "repair the file")
        return
    if unknown := sorted(entry.keys() - AGENT_KEYS):
        told = f"{name} in {place} has {', '.join(unknown)}, which gt drops when it next writes"
        yield bad("agents", told, f"take {'it' if len(unknown) == 1 else 'them'} out of {place}")
    if not name.startswith(OURS):
        return
    for file in _files(entry):
        if not file.is_file():
            yield bad("agents", f"{name} names {file}, which is gone", "deploy the version again")


def _files(entry: Mapping[str, Any]) -> list[Path]:
    args, command = entry.get("args"), Path(str(entry.get("command") or ""))
    words = [str(word) for word in args] if isinstance(args, list) else []
    files = [Path(value) for option, value in pairwise(words) if option in FILE_OPTIONS]
    return [command, *files] if command.is_absolute() else files


def _failed(check: str, error: Node0Error) -> CheckResult:
    found, _, advice = str(error).partition(": ")
    return bad(check, found, advice) if advice else bad(check, str(error), "see the message")
