# SPDX-License-Identifier: Apache-2.0
"""The roles of a Gas Town, and what a role may be called."""

import re
from collections.abc import Iterable
from enum import StrEnum

from node0.errors import NotFound
from node0.settings import nearest

ROLE_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
"What a field that holds a role must match; a town may have roles of its own."

ROLE_RULE = "use lower-case letters, digits, - and _"
"What to say to whoever gave another name."

EVERY_ROLE = "all"
"The role of what concerns every role."


class Role(StrEnum):
    """The roles that Gas Town knows today."""

    MAYOR = "mayor"
    DEACON = "deacon"
    WITNESS = "witness"
    REFINERY = "refinery"
    POLECAT = "polecat"
    CREW = "crew"
    DOG = "dog"
    BOOT = "boot"


KNOWN_ROLES = frozenset(role.value for role in Role)


def require_known_role(role: str, others: Iterable[str] = ()) -> None:
    """Nothing for a role of Gas Town, or one of the others that a town has.

    Raises:
        NotFound: it is neither; the message names the nearest one.
    """
    known = sorted(KNOWN_ROLES | set(others))
    if role not in known:
        hint = nearest(role, known)
        raise NotFound(
            f"no role {role!r}{hint}{'' if hint.endswith('?') else '.'} A role of your own has a file "
            "roles/NAME.toml in the town, or an agent under role_agents in settings/config.json"
        )


def is_role_name(text: str) -> bool:
    """Whether a role may be called this."""
    return re.fullmatch(ROLE_PATTERN, text) is not None
