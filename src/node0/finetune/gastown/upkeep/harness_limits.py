# SPDX-License-Identifier: Apache-2.0
"""What gt 1.0.1 cannot do with agents of ours behind a harness other than Claude Code.

Its presets (internal/config/agents.go) have neither a flag that resumes a session nor a prompt that tells
when the harness is ready; docs/gastown-notes.md says what of it was seen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from node0.check_result import CheckResult, note
from node0.finetune.deploy.harness_choice import OPENCODE, PI, program_of
from node0.finetune.gastown.role_agents import OURS, RoleAgent

_BOTH = ("cannot resume a session of it", "waits 8 s for it and never sees that it is idle")
LIMITS: Mapping[str, Sequence[str]] = {
    OPENCODE: (*_BOTH, "its model reads a prime when it runs `gt prime`"),
    PI: _BOTH,
}
"By the harness."


def harness_limits(roles: Iterable[RoleAgent], tables: Iterable[Mapping[str, Any]]) -> Iterator[CheckResult]:
    """A line for each harness with limits that an agent of ours runs on.

    Args:
        roles: What gt starts for each role.
        tables: `agents` of the settings files.
    """
    entries = {name: entry for table in tables for name, entry in table.items()}
    found: dict[str, list[str]] = {}
    for one in roles:
        harness = program_of(one.agent, entries.get(one.agent))
        if one.agent.startswith(OURS) and harness in LIMITS:
            found.setdefault(harness, []).append(f"{one.rig}/{one.role}" if one.rig else one.role)
    for harness, names in sorted(found.items()):
        told = f"{harness} for {', '.join(names)}: gt {', '.join(LIMITS[harness])}"
        yield note(
            "harness", told, "nothing, if that suits: docs/operator.md has what holds for each harness"
        )
