# SPDX-License-Identifier: Apache-2.0
"""Make a command's help readable: types and bounds in words, whole sentences, an example for a group too.

A command's own example is the last paragraph of its docstring, kept as it is by click's mark:

    \\b
    Example:
      node0 job list --state training
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import typer

EXAMPLE = re.compile(r"^\x08\nExample:\n  (node0 .+|.+ \| node0 .+)$", re.MULTILINE)
"The example in a docstring, behind click's mark."

_WORDS = {"str": "text", "int": "number", "float": "number", "Path": "path"}
_BOUNDS = (
    (re.compile(r"([\d.]+)<=x<=([\d.]+)"), r"\1 to \2"),
    (re.compile(r"([\d.]+)<=x<([\d.]+)"), r"\1 to below \2"),
    (re.compile(r"([\d.]+)<x<=([\d.]+)"), r"above \1, at most \2"),
    (re.compile(r"([\d.]+)<x<([\d.]+)"), r"between \1 and \2"),
    (re.compile(r"\bx>=([\d.]+)"), r"at least \1"),
    (re.compile(r"\bx>([\d.]+)"), r"above \1"),
    (re.compile(r"\bx<=([\d.]+)"), r"at most \1"),
    (re.compile(r"\bx<([\d.]+)"), r"below \1"),
)


def command_of(app: typer.Typer) -> Any:
    """The command, or the group of commands, of an app, as its help should show it."""
    command: Any = typer.main.get_command(app)
    _reword(command)
    return command


def example_of(command: Any) -> str | None:
    """The line to type that a command's docstring gives; of a group, that of its first command."""
    found = EXAMPLE.search(command.help or "")
    if found is not None:
        return found[1]
    return next(filter(None, map(example_of, _inner(command))), None)


def _reword(command: Any) -> None:
    for parameter in command.params:
        parameter.display_type = partial(_in_words, parameter.display_type)
        parameter.get_help_record = partial(_record, parameter.get_help_record)
        if parameter.param_type_name == "argument" and parameter.metavar is None:
            parameter.metavar = parameter.name.upper()
    for inner in _inner(command):
        # Whole, where a listing would cut it off after a few words.
        inner.short_help = inner.short_help or " ".join((inner.help or "").partition("\n\n")[0].split())
        _reword(inner)
    if command.epilog is None and not EXAMPLE.search(command.help or "") and (line := example_of(command)):
        command.epilog = f"\b\nExample:\n  {line}"


def _inner(command: Any) -> Iterator[Any]:
    yield from getattr(command, "commands", {}).values()


def _record(made: Any, context: Any) -> tuple[str, str] | None:
    """A row of the help, with bounds as a person says them."""
    record = made(context)
    if record is None:
        return None
    option, what = record
    for pattern, words in _BOUNDS:
        what = pattern.sub(words, what)
    return option, what


def _in_words(told: Any, context: Any) -> str:
    """`<list[str]>` is `<text>`, and `<int range>` is `<number>`; names of choices stay."""
    label = re.sub(r"^list\[(.+)\]$", r"\1", told(context).strip("<>")).removesuffix(" range")
    return f"<{_WORDS.get(label, label)}>"
