# SPDX-License-Identifier: Apache-2.0
"""A long request of an agent harness: pages of a system prompt, twenty tools, and another turn each time."""

import re
from collections.abc import Callable
from typing import Any

from town.generator.documents import COMMANDS
from town.generator.rolls import roll
from town.generator.script import Dice

TOOLS = 20

_ARGUMENTS = re.compile(r" (<|--|\").*")
_PARAMETER = re.compile(r"<([a-z]+)>")


def long_request(count: Callable[[str], int], *, tokens: int = 20_000, seed: str = "long") -> dict[str, Any]:
    """System prompt and tools of a Messages request; the prompt has `tokens` of `count` or a page more."""
    dice, pages, length = Dice(seed), list[str](), 0
    while length < tokens:
        pages.append(roll(dice))
        length += count(pages[-1])
    marked = {"type": "text", "text": "\n".join(pages), "cache_control": {"type": "ephemeral"}}
    return {"system": [marked], "tools": _tools()}


def turn(request: dict[str, Any], number: int) -> dict[str, Any]:
    """The request as a session sends it: the number is in its billing line and in its last turn."""
    billing = {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2; cch={number:05x};"}
    asked = {"role": "user", "content": f"Turn {number}: look at the rigs, and say what you see."}
    return {**request, "system": [billing, *request["system"]], "messages": [asked]}


def _tools() -> list[dict[str, Any]]:
    """A tool for each of the first commands, with what it takes as properties."""
    commands = [command for program in COMMANDS.values() for command in program.items()]
    return [_tool(command, about) for command, about in commands[:TOOLS]]


def _tool(command: str, about: str) -> dict[str, Any]:
    name = "_".join(re.findall(r"[a-z]+", _ARGUMENTS.sub("", command)))
    taken = list(dict.fromkeys(_PARAMETER.findall(command)))
    properties = {name: {"type": "string", "description": f"Which {name} is meant."} for name in taken}
    schema = {"type": "object", "properties": properties, "required": taken, "additionalProperties": False}
    return {"name": name, "description": f"`{command}` {about}.", "input_schema": schema}
