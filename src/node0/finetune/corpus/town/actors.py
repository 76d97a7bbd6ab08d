# SPDX-License-Identifier: Apache-2.0
"""Parse an actor's name into role, rig and task."""

import re

from node0.finetune.role import KNOWN_ROLES, Role

TOWN_RIG = "hq"
"The rig of roles that serve the whole town."

TASKS: dict[str, str] = {
    Role.POLECAT: "bead_work",
    Role.CREW: "bead_work",
    Role.MAYOR: "coordination",
    Role.DOG: "maintenance",
    Role.DEACON: "patrol",
    Role.WITNESS: "patrol",
    Role.REFINERY: "patrol",
    Role.BOOT: "patrol",
}


def role_and_rig(actor: str) -> tuple[str, str]:
    """`lantern/polecats/onyx` is a polecat of lantern; `deacon` serves the town."""
    parts = [part for part in actor.strip("/").lower().split("/") if part]
    if not parts:
        return "unknown", TOWN_RIG
    for part in (parts[-1], *parts[-2:-1], parts[0]):
        for word in (part, part.removesuffix("s")):
            if word in KNOWN_ROLES:
                rig = parts[0] if parts[0] not in KNOWN_ROLES and len(parts) > 1 else TOWN_RIG
                return word, rig
    role = re.sub(r"[^a-z0-9_-]", "-", parts[-1]).lstrip("0123456789_-")[:32]
    return role or "unknown", parts[0] if len(parts) > 1 else TOWN_RIG


def task_of(role: str) -> str:
    """The task type of a role's sessions."""
    return TASKS.get(role, "session")
