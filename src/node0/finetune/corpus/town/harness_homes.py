# SPDX-License-Identifier: Apache-2.0
"""Find where harnesses other than Claude Code keep their own files: sessions, and credentials beside them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from node0.town import Town, environment, user_home

HARNESS_HOMES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "codex": [("CODEX_HOME", "", ".codex")],
    "gemini": [("GEMINI_CLI_HOME", ".gemini", ".gemini")],
    "opencode": [("XDG_DATA_HOME", "opencode", ".local/share/opencode")],
    "pi": [("PI_CODING_AGENT_DIR", "", ".pi/agent"), ("OMP_CODING_AGENT_DIR", "", ".omp/agent")],
}
"""The variable that moves a harness's place, what is appended to it, and the place in a home where it is not
set."""


def harness_homes(town: Town, harness: str) -> list[Path]:
    """The directories of a harness, of those in `HARNESS_HOMES`.

    Those that the environment names, those that an agent's entry of the town or of a rig starts it with, and
    the user's own.
    """
    return list(_homes(HARNESS_HOMES.get(harness, ()), user_home(), environment(), town))


def every_harness_home(home: Path, variables: Mapping[str, str], town: Town | None) -> list[Path]:
    """The directories of all harnesses in `HARNESS_HOMES`, found in the same way.

    Args:
        home: The user's.
        variables: The environment.
        town: None where there is none, whose agents could name a place.
    """
    every = [place for places in HARNESS_HOMES.values() for place in places]
    return list(_homes(every, home, variables, town))


def _homes(
    places: Iterable[tuple[str, str, str]], home: Path, variables: Mapping[str, str], town: Town | None
) -> Iterator[Path]:
    environments = [variables, *(_agent_environments(town) if town else ())]
    found: dict[Path, None] = {}
    for variable, inside, usual in places:
        named = [str(one.get(variable) or "") for one in environments]
        moved = (town.expand(name) if town else Path(name).expanduser() for name in named if name)
        found |= dict.fromkeys([*(place / inside for place in moved), home / usual])
    return (place for place in found if place.is_dir())


def _agent_environments(town: Town) -> Iterator[Mapping[str, Any]]:
    """What agents are started with, beside gt's own variables."""
    for rig in ("", *town.rigs()):
        for content in (town.read_rig_settings(rig), town.read_presets(rig)):
            agents = content.get("agents")
            entries = agents.values() if isinstance(agents, dict) else ()
            found = (entry.get("env") for entry in entries if isinstance(entry, dict))
            yield from (variables for variables in found if isinstance(variables, dict))
