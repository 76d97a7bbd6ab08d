# SPDX-License-Identifier: Apache-2.0
"""What a model proposes in its answer: commands, files, edits, JSON, words.

A model with tools proposes by calls. One without them writes fenced blocks: `sh` for commands, `diff` for a
patch, a path after the language for a whole file, and `json` for an object.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from node0.finetune.chat.messages import Block

SHELLS = frozenset({"sh", "bash", "shell", "console"})
_FENCE = re.compile(r"^```[ \t]*([^\n`]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """A fenced block: its language, the words after that, and what it holds."""

    language: str
    label: str
    text: str


@dataclass(frozen=True)
class FileChange:
    """A file as it shall be, or a piece of it and what takes its place."""

    path: str
    text: str
    old: str | None = None
    "None: `text` is the whole file."


def words_of(answer: Sequence[Block]) -> str:
    """The answer's words, without its calls."""
    return "\n\n".join(block["text"] for block in answer if block["type"] == "text")


def commands_of(answer: Sequence[Block]) -> list[str]:
    """Shell commands that are proposed, each as it would be given to a shell; calls before fences."""
    called = [
        str(block["input"].get("command", ""))
        for block in answer
        if block["type"] == "tool_use" and block["name"] == "Bash"
    ]
    if called:
        return called
    return [_unprompted(fence.text) for fence in fences(words_of(answer)) if fence.language in SHELLS]


def changes_of(answer: Sequence[Block]) -> list[FileChange]:
    """Files that are written or edited, in order; calls before fences."""
    called = [_change(block["name"], block["input"]) for block in answer if block["type"] == "tool_use"]
    found = [change for change in called if change is not None]
    if found:
        return found
    return [
        FileChange(fence.label, fence.text)
        for fence in fences(words_of(answer))
        if fence.label and fence.language not in SHELLS
    ]


def patches_of(answer: Sequence[Block]) -> list[str]:
    """Unified diffs in fences."""
    return [fence.text for fence in fences(words_of(answer)) if fence.language in ("diff", "patch")]


def object_of(answer: Sequence[Block]) -> dict[str, Any] | None:
    """The JSON object that the words are, or that the last fence or the last braces hold."""
    words = words_of(answer)
    tried = [words, *(fence.text for fence in reversed(fences(words)))]
    start = words.find("{")
    if start >= 0:
        tried.append(words[start : words.rfind("}") + 1])
    for text in tried:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


def fences(text: str) -> list[Fence]:
    """Fenced blocks, in order."""
    found = []
    for label, inside in _FENCE.findall(text):
        language, _, rest = label.strip().partition(" ")
        found.append(Fence(language.lower(), rest.strip(), inside))
    return found


def _change(name: str, given: dict[str, Any]) -> FileChange | None:
    path = str(given.get("file_path", ""))
    if name == "Write":
        return FileChange(path, str(given.get("content", "")))
    if name == "Edit":
        return FileChange(path, str(given.get("new_string", "")), str(given.get("old_string", "")))
    return None


def _unprompted(text: str) -> str:
    """A shell block without the prompts that people copy along."""
    return "\n".join(line.removeprefix("$ ") for line in text.splitlines())
