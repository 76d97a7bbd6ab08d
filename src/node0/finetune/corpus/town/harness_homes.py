# SPDX-License-Identifier: Apache-2.0
"""Find where harnesses other than Claude Code keep their own files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from node0.town import Town, environment

HARNESS_HOMES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "codex": [("CODEX_HOME", "", "~/.codex")],
    "gemini": [("GEMINI_CLI_HOME", ".gemini", "~/.gemini")],
    "opencode": [("XDG_DATA_HOME", "opencode", "~/.local/share/opencode")],
    "pi": [("PI_CODING_AGENT_DIR", "", "~/.pi/agent"), ("OMP_CODING_AGENT_DIR", "", "~/.omp/agent")],
}
"""Where harnesses keep their own files: the variable that moves the place, what is appended to it, and the
place where it is not set."""


def harness_homes(town: Town, harness: str) -> list[Path]:
    """The directories of a harness, of those in `HARNESS_HOMES`.

    Those that the environment names, those that an agent's entry of the town or of a rig starts it with, and
    the user's own.
    """
    environments = [environment(), *_agent_environments(town)]
    places = []
    for variable, inside, home in HARNESS_HOMES.get(harness, ()):
        named = [str(variables.get(variable) or "") for variables in environments]
        places += [town.expand(name) / inside for name in named if name]
        places.append(Path(home).expanduser())
    return [place for place in dict.fromkeys(places) if place.is_dir()]


def _agent_environments(town: Town) -> Iterator[Mapping[str, Any]]:
    """What agents are started with, beside gt's own variables."""
    for rig in ("", *town.rigs()):
        for content in (town.read_rig_settings(rig), town.read_presets(rig)):
            agents = content.get("agents")
            entries = agents.values() if isinstance(agents, dict) else ()
            found = (entry.get("env") for entry in entries if isinstance(entry, dict))
            yield from (variables for variables in found if isinstance(variables, dict))
