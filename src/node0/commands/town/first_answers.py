# SPDX-License-Identifier: Apache-2.0
"""What a person wants installed: by flags, by what was answered before, or asked on a terminal."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.common_options import names_in
from node0.errors import ConfigError
from node0.finetune.gastown.own_settings import OwnSettings
from node0.finetune.role import Role, require_known_role
from node0.model_files import MODEL_CONFIG

FIRST_ROLES = (Role.DEACON, Role.WITNESS, Role.POLECAT)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def chosen(
    given: Mapping[str, Any], before: OwnSettings | None, *, ask: bool, known_base: str
) -> OwnSettings:
    """What is to be installed.

    Args:
        given: settings by their names, None for a flag that was left out.
        before: what was answered before; None the first time.
        ask: whether a person may be asked.
        known_base: a base that the town's models have already.

    Raises:
        ConfigError: a base or a role is none, or nobody is there to ask.
        NotFound: there is no such role.
    """
    first = OwnSettings(base_model=known_base, roles=list(FIRST_ROLES), claude_trust=True)
    settings = (before or first).model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    if before is None and ask:
        settings = _asked(settings, given)
    roles = [role for text in settings.roles for role in names_in(text)]
    for role in roles:
        require_known_role(role)
    return settings.model_copy(
        update={"base_model": _base(settings.base_model), "roles": list(dict.fromkeys(roles))}
    )


def _asked(settings: OwnSettings, given: Mapping[str, Any]) -> OwnSettings:
    """The same with what no flag says, by a person."""
    questions = {
        "base_model": ("Base model (directory or hub id; empty: decide later)", settings.base_model),
        "roles": ("Roles that are to get a model", ",".join(settings.roles)),
    }
    open_ones = {name: one for name, one in questions.items() if given.get(name) is None}
    if not open_ones:
        return settings
    if not console.can_ask():
        flags = " and ".join({"base_model": "--base-model", "roles": "--role"}[name] for name in open_ones)
        raise ConfigError(f"nobody is there to ask: give {flags}, or --yes for the defaults")
    answers = {name: console.ask(text, default=default) for name, (text, default) in open_ones.items()}
    roles = {"roles": list(names_in(answers["roles"]))} if "roles" in answers else {}
    return settings.model_copy(update={**answers, **roles})


def _base(text: str) -> str:
    """A base as it is kept: a directory by its whole path, so that it means the same from anywhere."""
    place = Path(text).expanduser()
    if not text or (_HUB_ID.fullmatch(text) and not place.exists()):
        return text
    if not (place / MODEL_CONFIG).is_file():
        raise ConfigError(
            f"base model {text!r} is neither a hub id nor a directory with {MODEL_CONFIG}: name another"
        )
    return str(place.resolve())
