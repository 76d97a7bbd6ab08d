# SPDX-License-Identifier: Apache-2.0
"""Tell whether two calls do the same although they are written otherwise."""

import json
import posixpath
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from node0.finetune.chat.messages import Block

Call = tuple[str, str]
"Name and canonical input."

WORDLESS = frozenset({"description", "timeout"})
"Fields of a call that say something about it and change nothing that it does."

_QUOTES_MATTER = re.compile(r"[\n$`*?~!\\\[{#]|<<|\d[<>]|(['\"])[();<>|&]+\1")
"Where quotes or a space may decide what is done: expansions, patterns, numbered files, quoted operators."

PATHS = frozenset({"file_path", "path", "notebook_path"})


def calls_of(content: Iterable[Block]) -> tuple[Call, ...]:
    """The calls among an answer's blocks, in a form that compares."""
    return tuple(
        (block["name"], json.dumps(block["input"], sort_keys=True, ensure_ascii=False))
        for block in content
        if block["type"] == "tool_use"
    )


def equivalent(one: Sequence[Call], other: Sequence[Call]) -> bool:
    """Whether calls are the same in order, each after normalising."""
    return [normal_call(call) for call in one] == [normal_call(call) for call in other]


def normal_call(call: Call) -> tuple[str, Any]:
    """A call without descriptions; its command as words, its paths without detours.

    A command that is no shell text stays as it is.
    """
    name, given = call
    fields = json.loads(given)
    if not isinstance(fields, dict):
        return name, fields
    kept = {key: value for key, value in fields.items() if key not in WORDLESS}
    for key, value in kept.items():
        if isinstance(value, str) and key == "command":
            kept[key] = _words(value)
        elif isinstance(value, str) and key in PATHS:
            kept[key] = posixpath.normpath(value)
    return name, kept


def _words(command: str) -> list[str] | str:
    """Words and operators of a command, without quotes and spacing; `--flag=value` is two words."""
    if _QUOTES_MATTER.search(command.strip()):
        return command.strip()
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        found = list(lexer)
    except ValueError:
        return command
    words: list[str] = []
    for word in found:
        flag, sign, value = word.partition("=")
        words += [flag, value] if sign and flag.startswith("--") else [word]
    while words and words[-1] == ";":
        words.pop()
    return words
