# SPDX-License-Identifier: Apache-2.0
"""Small parts for tests of the suite: answers, items, a place that runs nothing."""

from typing import Any

from node0.finetune.chat.messages import Block
from node0.finetune.eval.suite.evidence import Ran
from node0.finetune.eval.suite.item import EvalItem


def said(text: str) -> list[Block]:
    """An answer in words."""
    return [{"type": "text", "text": text}]


def called(name: str, **given: Any) -> list[Block]:
    """An answer of one call."""
    return [{"type": "tool_use", "id": "call_0", "name": name, "input": given}]


def bash(command: str) -> list[Block]:
    """A call of Bash."""
    return called("Bash", command=command)


def an_item(**changes: Any) -> EvalItem:
    """An item that asks for the word yes."""
    fields: dict[str, Any] = {
        "id": "an-item",
        "category": "planning",
        "role": "mayor",
        "difficulty": "easy",
        "tags": ["test"],
        "prompt": "Say yes.",
        "checks": [{"check": "says", "all": ["yes"]}],
        "reference": [{"say": "yes"}],
    }
    return EvalItem.model_validate(fields | changes)


class DictPlace:
    """A place whose files are a dict and whose commands print themselves."""

    def __init__(self, files: dict[str, str] | None = None, *, prints: dict[str, str] | None = None) -> None:
        self.files = dict(files or {})
        self.prints = prints or {}
        self.ran: list[str] = []

    def run(self, command: str) -> Ran:
        """Note a command; exit code 1 where nothing is prepared for it and it begins with false."""
        self.ran.append(command)
        return Ran(command, int(command.startswith("false")), self.prints.get(command, command))

    def write(self, path: str, text: str) -> bool:
        """Keep a file, unless it leads out."""
        if path.startswith("/etc"):
            return False
        self.files[path] = text
        return True

    def read(self, path: str) -> str | None:
        """A kept file."""
        return self.files.get(path)
