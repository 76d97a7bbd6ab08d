# SPDX-License-Identifier: Apache-2.0
"""Read what a person types: a line, or several lines between triple quotes."""

import readline
import sys
from collections.abc import Callable

from node0.commands.utf8_streams import use_utf8

QUOTES = '"""'
CONTINUED = "... "

ReadLine = Callable[[str], str]
"A prompt to the line that is typed; EOFError at the end."


def line_reader() -> ReadLine:
    """Reads from the terminal with line editing, or from a pipe without prompts."""
    if sys.stdin is None:
        return _nothing
    use_utf8()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _piped
    # Having been imported, it gives `input` arrow keys, paste and the lines typed before.
    readline.set_auto_history(True)
    return input


def typed_message(read: ReadLine, prompt: str) -> str:
    """The next message; line breaks in it come from triple quotes at its begin and end.

    Raises:
        EOFError: there is no more.
    """
    line = read(prompt)
    if not line.lstrip().startswith(QUOTES):
        return line
    lines, rest = [], line.lstrip().removeprefix(QUOTES)
    while QUOTES not in rest:
        lines.append(rest)
        rest = read(CONTINUED)
    lines.append(rest.partition(QUOTES)[0])
    return "\n".join(lines).strip("\n")


def _piped(prompt: str) -> str:
    del prompt
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _nothing(prompt: str) -> str:
    raise EOFError
