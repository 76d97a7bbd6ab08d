# SPDX-License-Identifier: Apache-2.0
"""Two ways on from the same turns, side by side for a person who is to say which is better."""

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from node0 import console

CELL = 2000
"Characters of one turn that are shown; `--json` has all."

BEFORE = 3
"Turns that are shown of those that both begin with."

Turns = Sequence[Mapping[str, Any]]


def show_beside(
    first: Turns, second: Turns, *, titles: tuple[str, str], about: str, before: int = BEFORE
) -> int:
    """Print the last few turns that both begin with, then both in two columns; how many are the same.

    Nothing is printed where both are empty.
    """
    alike, rows = beside(first, second)
    if not rows:
        return alike
    for turn in first[max(0, alike - before) : alike]:
        console.show(f"{turn_text(turn)}\n\n")
    console.emit([dict(zip(titles, row, strict=True)) for row in rows], as_json=False, title=about)
    return alike


def beside(first: Turns, second: Turns) -> tuple[int, list[tuple[str, str]]]:
    """How many turns both begin with, and the texts of the turns after them in pairs."""
    pairs = list(zip_longest(first, second))
    alike = next((at for at, (one, other) in enumerate(pairs) if one != other), len(pairs))
    return alike, [(turn_text(one), turn_text(other)) for one, other in pairs[alike:]]


def turn_text(message: Mapping[str, Any] | None) -> str:
    """A turn for reading: who, words, calls by name with their inputs, what tools said."""
    if message is None:
        return ""
    content = message["content"]
    parts = [content] if isinstance(content, str) else [_block_text(block) for block in content]
    text = "\n".join(part for part in parts if part)
    left_out = len(text) - CELL
    return f"{message['role']}: {text[:CELL]}" + (f" [{left_out} characters more]" if left_out > 0 else "")


def _block_text(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "text":
            return str(block["text"])
        case "tool_use":
            return f"→ {block['name']} {_inputs(block['input'])}"
        case "tool_result":
            content = block.get("content") or ""
            return f"← {content if isinstance(content, str) else ' '.join(map(_block_text, content))}"
        case kind:
            return f"[{kind}]"


def _inputs(given: Any) -> str:
    """The command alone where there is no other input."""
    if isinstance(given, dict) and given.keys() == {"command"} and isinstance(given["command"], str):
        return given["command"]
    return json.dumps(given, ensure_ascii=False)
