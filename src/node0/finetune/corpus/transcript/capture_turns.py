# SPDX-License-Identifier: Apache-2.0
"""Split a terminal capture into turns by their markers."""

import re
from typing import Any

MARKER = re.compile(
    r"^(?:(?P<user>[>❯]|user:|human:)|(?P<assistant>[⏺●]|assistant:|claude:)|system:)[ \t]*", re.IGNORECASE
)
ENDS = (".", "!", "?", ":", "`", ")", "]", "}", '"', "'")
"How a complete answer may end."


def capture_turns(text: str) -> list[dict[str, Any]]:
    """The turns up to the last complete answer, in Messages form; empty where there is none."""
    turns, prompted = _marked_turns(text)
    turns = [{**turn, "content": turn["content"].strip()} for turn in turns]
    turns = [turn for turn in turns if turn["content"]]
    last = turns[-1] if turns else None
    # A prompt that waits below the last answer says that it was complete.
    if last and last["role"] == "assistant" and not prompted and not last["content"].endswith(ENDS):
        turns.pop()
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()
    return turns


def _marked_turns(text: str) -> tuple[list[dict[str, Any]], bool]:
    """Turns with all their lines, and whether an empty prompt ends the text."""
    turns: list[dict[str, Any]] = []
    prompted = False
    for line in text.splitlines():
        mark = MARKER.match(line)
        if mark:
            role = "user" if mark.group("user") else "assistant" if mark.group("assistant") else "system"
            rest = line[mark.end() :]
            idle, prompted = prompted, role == "user" and not rest.strip()
            if not prompted and not idle and turns and turns[-1]["role"] == role == "assistant":
                turns[-1]["content"] += "\n" + rest
            elif not prompted:
                turns.append({"role": role, "content": rest})
        elif turns and not prompted:
            turns[-1]["content"] += "\n" + line
    return turns, prompted
