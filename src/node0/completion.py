# SPDX-License-Identifier: Apache-2.0
"""Complete the words of a command line, by typer's own classes for each shell."""

from collections.abc import Callable, Mapping
from importlib import import_module

import typer
from typer.completion import completion_init as _init  # type: ignore[attr-defined]  # documented, not exported
from typer.completion import get_completion_script as _script  # type: ignore[attr-defined]  # likewise
from typer.completion import shell_complete

PROGRAM = "node0"
ASKED_BY = "_NODE0_COMPLETE"
"The variable in which a shell's script says what it wants."


def script_of(shell: str) -> str:
    """The script that a shell evaluates once, at its start."""
    return _script(prog_name=PROGRAM, complete_var=ASKED_BY, shell=shell)


def complete(
    instruction: str, words: str, *, listing: Callable[[], typer.Typer], modules: Mapping[str, str]
) -> int:
    """Print what may follow; the exit code.

    Only the command that `words` names is imported.

    Args:
        instruction: as `complete_bash`.
        words: the command line so far.
        listing: makes an app that knows the commands by name.
        modules: the module of each command, which has an `app`.
    """
    _init()
    group = typer.main.get_command(listing())
    named = next((word for word in words.split()[1:] if word in modules), None)
    if named is not None:
        inner = typer.main.get_command(import_module(modules[named]).app)
        group.commands[named] = inner  # type: ignore[attr-defined]  # a listing of several commands is a group
    return shell_complete(group, {}, PROGRAM, ASKED_BY, instruction)
