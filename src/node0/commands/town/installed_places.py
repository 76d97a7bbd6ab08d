# SPDX-License-Identifier: Apache-2.0
"""Where this program, what Claude Code keeps for the user and the user's systemd units lie."""

import shutil
import sys
from pathlib import Path

from node0.errors import NotFound
from node0.finetune.gastown.installation import Places
from node0.town import Town, user_claude_settings, user_claude_state, user_units

PROGRAM = "node0"


def places(town: Town) -> Places:
    """What an installation in a town needs to know of this machine.

    Raises:
        NotFound: there is no `node0` beside this interpreter or on PATH.
    """
    return Places(
        program=_program(),
        claude_settings=user_claude_settings(),
        units=user_units(),
        claude_states=tuple(dict.fromkeys([user_claude_state(), *town.account_states()])),
    )


def _program() -> Path:
    beside = Path(sys.executable).parent / PROGRAM
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise NotFound(f"no {PROGRAM} beside {sys.executable} or on PATH: install this package with pip")
    return Path(found).absolute()
