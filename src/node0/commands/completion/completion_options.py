# SPDX-License-Identifier: Apache-2.0
"""`node0 completion`: the script with which a shell completes commands, options and roles."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0 import completion as work
else:
    work = when_called("node0.completion")

app = command_app()


class Shell(StrEnum):
    """Shells that a script is made for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 completion")


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print the completion script of a shell.

    For bash and zsh: eval "$(node0 completion bash)" in its start-up file. For fish:
    node0 completion fish | source.

    \b
    Example:
      node0 completion bash
    """
    console.write(work.script_of(shell.value) + "\n")
    return 0
