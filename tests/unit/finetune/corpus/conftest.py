# SPDX-License-Identifier: Apache-2.0
"""A scripted harness: keeps a conversation as Claude Code does and knows what it sent."""

import hashlib
import json
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from collected_town import Place

Message = dict[str, Any]
SYSTEM = "You are the deacon of this town. Patrol, look, and act on what you see." * 3
TOOLS = [{"name": "Bash", "description": "Run a command.", "input_schema": {"type": "object"}}]


def text(words: str) -> Message:
    return {"type": "text", "text": words}


def call(name: str, command: str = "gt status") -> Message:
    return {"type": "tool_use", "id": name, "name": "Bash", "input": {"command": command}}


def result(name: str, content: Any = "fine", **more: Any) -> Message:
    return {"type": "tool_result", "tool_use_id": name, "content": content, **more}


def digest(value: Any) -> str:
    line = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()


class Harness:
    """Writes the lines of one session and remembers every request as it was sent."""

    def __init__(
        self, *, log: bool = True, session: str = "5e55-1", tools: Any = TOOLS, **envelope: Any
    ) -> None:
        self.lines: list[Message] = []
        self.sent: list[tuple[list[Message], list[str], list[Message]]] = []
        self.session, self._log, self._envelope = session, log, envelope
        self._tools = tools
        self._messages: list[Message] = []
        self._named: set[str] = set()
        self._last: tuple[str, list[str]] | None = None
        self._clock = 0
        self.parent: str | None = None
        if log:
            shape = {"system": [text(SYSTEM)], "tools": tools}
            self._shape = digest(shape)
            self.lines.append({"type": "api-request-shape", "shapeHash": self._shape, "shape": shape})

    def now(self) -> str:
        self._clock += 1
        return f"2026-01-05T06:{self._clock // 60:02d}:{self._clock % 60:02d}.000Z"

    def line(self, kind: str, **content: Any) -> str:
        uuid = f"u{self._clock}-{len(self.lines)}"
        envelope = {
            "sessionId": self.session,
            "version": "2.1.330",
            "cwd": "/srv/gt/deacon",
            "isSidechain": False,
        }
        content = {
            **envelope,
            **self._envelope,
            "parentUuid": self.parent,
            "timestamp": self.now(),
            **content,
        }
        self.lines.append({"type": kind, "uuid": uuid, **content})
        self.parent = uuid
        return uuid

    def user(self, *blocks: Message) -> None:
        self.line("user", message={"role": "user", "content": list(blocks)})
        self._say({"role": "user", "content": list(blocks)})

    def prompt(self, words: str) -> None:
        """A plain string on the line, a block on the wire."""
        self.line("user", message={"role": "user", "content": words})
        self._say({"role": "user", "content": [text(words)]})

    def system(self, words: str) -> None:
        """What a hook said: an attachment on the line, a system turn on the wire."""
        self.line(
            "attachment", attachment={"type": "hook"}, rendered=[{"content": words}], renderedRole="system"
        )
        message = {"role": "system", "content": [text(words)]}
        if self._log:
            self.lines.append({"type": "api-request-blob", "hash": digest(message), "message": message})
        self._say(message)

    def answer(self, *blocks: Message, split: bool = True) -> str:
        """Send what stands so far and record the answer; its request's id."""
        request = self._request()
        name = f"msg_{len(self.sent)}"
        for part in [[block] for block in blocks] if split else [list(blocks)]:
            self.line(
                "assistant", message={"id": name, "role": "assistant", "content": part}, requestRef=request
            )
        self._say({"role": "assistant", "content": list(blocks)})
        return request

    def parallel_results(self, *results: Message) -> None:
        """Each result hangs on its own call's line, as parallel tools do."""
        answers = {
            block["id"]: line["uuid"]
            for line in self.lines
            if line["type"] == "assistant"
            for block in line["message"]["content"]
            if block["type"] == "tool_use"
        }
        for block in results:
            self.parent = answers[block["tool_use_id"]]
            self.line("user", message={"role": "user", "content": [block]})
        self._say({"role": "user", "content": list(results)})

    def compact(self, summary: str) -> None:
        self.line("system", subtype="compact_boundary", logicalParentUuid=self.parent, content="compacted")
        self.lines[-1]["parentUuid"] = None
        self._messages, self._last = [], None
        self.line("user", message={"role": "user", "content": summary}, isCompactSummary=True)
        self._say({"role": "user", "content": [text(summary)]})

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines))
        return path

    def _say(self, message: Message) -> None:
        self._messages.append(message)

    def _request(self) -> str:
        name = f"req_{len(self.sent)}"
        self.sent.append((list(self._messages), [SYSTEM], self._tools))
        hashes = [digest(message) for message in self._messages]
        if self._log:
            base = self._last
            common = zip(base[1] if base else (), hashes, strict=False)
            keep = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], common))
            line: Message = {
                "type": "api-request",
                "id": name,
                "timestamp": self.now(),
                "shapeHash": self._shape,
            }
            line |= {"base": base[0]} if base and keep else {}
            self.lines.append({**line, "keep": keep, "tail": hashes[keep:], "params": {"model": "x"}})
            self._last = (name, hashes)
        return name


@pytest.fixture
def harness() -> Callable[..., Harness]:
    return Harness


@pytest.fixture
def blocks() -> dict[str, Callable[..., Message]]:
    return {"text": text, "call": call, "result": result}


@pytest.fixture
def place(
    tmp_path: Path, harness: Callable[..., Harness], blocks: dict[str, Callable[..., Message]]
) -> Place:
    return Place(tmp_path, harness, blocks)
