# SPDX-License-Identifier: Apache-2.0
"""Write a session as Claude Code 2.1 records it: conversation lines and an exact log of every request.

A message is named by the sha256 of its compact, key-sorted JSON; a request by the messages it adds to
the request before it. `node0.finetune.corpus.transcript.session_file` reads this form and proves the hashes.
"""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from town.generator.documents import CARDS, OPENINGS, prime
from town.generator.script import Dice, Script, Step

VERSION = "2.1.330"
_WORD = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"

TOOLS: list[dict[str, Any]] = [
    {
        "name": name,
        "description": description,
        "input_schema": {
            "type": "object",
            "properties": {key: {"type": "string", "description": meaning} for key, meaning in keys.items()},
            "required": list(keys)[:1],
        },
    }
    for name, description, keys in (
        ("Bash", "Run a shell command and return what it printed.", {"command": "The command to run"}),
        ("Read", "Read a file.", {"file_path": "Absolute path", "pages": "Pages of a PDF"}),
        ("Grep", "Search files with a regular expression.", {"pattern": "Expression", "path": "Where"}),
    )
]


def message_hash(message: dict[str, Any]) -> str:
    """The name of a message in the request log."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return _digest({"role": message["role"], "content": blocks})


def session_lines(
    script: Script, dice: Dice, *, session_id: str, start: datetime, cwd: str
) -> list[dict[str, Any]]:
    """Every line of the session's file, in order."""
    return _Recorder(script, dice, session_id=session_id, start=start, cwd=cwd).record()


def _digest(value: Any) -> str:
    line = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()


class _Recorder:
    def __init__(self, script: Script, dice: Dice, *, session_id: str, start: datetime, cwd: str) -> None:
        self._script = script
        self._dice = dice
        self._session = session_id
        self._now = start
        self._cwd = cwd
        self._lines: list[dict[str, Any]] = []
        self._parent: str | None = None
        self._request: str | None = None
        self._sent = 0
        "Messages of the last request."

        self._fresh: list[str] = []
        "Hashes of the messages since the last request."

    def record(self) -> list[dict[str, Any]]:
        shape_hash = self._open()
        for step in self._script.steps:
            self._step(step, shape_hash)
        self._answer(
            [{"type": "text", "text": self._script.closing}], self._call(shape_hash), stop="end_turn"
        )
        self._lines.append(
            {"type": "last-prompt", "sessionId": self._session, "lastPrompt": self._script.topic}
        )
        return self._lines

    def _open(self) -> str:
        """The prompt, what the hooks added, and the shape of every request."""
        script = self._script
        self._lines.append({"type": "mode", "mode": "normal", "sessionId": self._session})
        stamp = self._now.strftime("%Y-%m-%dT%H:%M")
        beacon = (
            f"[GAS TOWN] {script.actor} <- daemon • {stamp} • {script.topic}\n{self._dice.pick(OPENINGS)}"
        )
        self._user(beacon)
        self._attach("hook_additional_context", prime(script.role, script.actor))
        self._attach(
            "environment",
            f"# Environment\nWorking directory: {self._cwd}\nToday's date is {self._now.date()}.",
        )
        system = [
            f"x-anthropic-billing-header: cc_version={VERSION}; cc_entrypoint=cli;",
            "You are Claude Code, Anthropic's official CLI for Claude.",
            CARDS[script.role],
        ]
        self._attach("prompt_snapshot", None, systemPrompt=system, tools=[{"schema": tool} for tool in TOOLS])
        shape = {"system": [{"type": "text", "text": text} for text in system], "tools": TOOLS}
        shape_hash = _digest(shape)
        self._lines.append({"type": "api-request-shape", "shapeHash": shape_hash, "shape": shape})
        return shape_hash

    def _step(self, step: Step, shape_hash: str) -> None:
        request = self._call(shape_hash)
        call_id = f"toolu_{self._dice.signs(_WORD, 24)}"
        use = {"type": "tool_use", "id": call_id, "name": "Bash", "input": {"command": step.command}}
        said = [{"type": "text", "text": step.say}] if step.say else []
        self._answer([*said, use], request, stop="tool_use")
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id, "content": step.result}
        if step.is_error:
            result["is_error"] = True
        self._user([result], toolUseResult={"stdout": step.result, "stderr": "", "interrupted": False})

    def _call(self, shape_hash: str) -> str:
        """Log a request that adds the fresh messages to the one before."""
        self._now += timedelta(seconds=1)
        request = self._dice.uuid()
        line: dict[str, Any] = {"type": "api-request", "id": request, "timestamp": self._stamp()}
        if self._request:
            line["base"] = self._request
        line |= {"keep": self._sent, "tail": self._fresh, "shapeHash": shape_hash}
        line["params"] = {"model": "claude-sonnet", "max_tokens": 32000}
        self._lines.append(line)
        self._request, self._sent, self._fresh = request, self._sent + len(self._fresh), []
        return request

    def _answer(self, content: list[dict[str, Any]], request: str, *, stop: str) -> None:
        """One answer, one line a block, as the harness splits it."""
        message_id = f"msg_{self._dice.signs(_WORD, 24)}"
        for block in content:
            message: dict[str, Any] = {"id": message_id, "type": "message", "role": "assistant"}
            message |= {"model": "claude-sonnet", "content": [block], "stop_reason": stop}
            self._line("assistant", message=message, requestRef=request)
        self._fresh.append(message_hash({"role": "assistant", "content": content}))

    def _user(self, content: str | list[dict[str, Any]], **extra: Any) -> None:
        message = {"role": "user", "content": content}
        self._line("user", message=message, **extra)
        self._fresh.append(message_hash(message))

    def _attach(self, kind: str, text: str | None, **attachment: Any) -> None:
        """A line of the harness; one with text is also a system turn of the request."""
        extra: dict[str, Any] = {"attachment": {"type": kind, **attachment}}
        if text is not None:
            message = {"role": "system", "content": [{"type": "text", "text": text}]}
            extra |= {"rendered": [{"content": text}], "renderedRole": "system"}
            self._fresh.append(message_hash(message))
            self._lines.append({"type": "api-request-blob", "hash": self._fresh[-1], "message": message})
        self._line("attachment", **extra)

    def _line(self, kind: str, **extra: Any) -> None:
        self._now += timedelta(seconds=self._dice.between(1, 9))
        uuid = self._dice.uuid()
        self._lines.append(
            {
                "parentUuid": self._parent,
                "isSidechain": False,
                "type": kind,
                **extra,
                "uuid": uuid,
                "timestamp": self._stamp(),
                "userType": "external",
                "cwd": self._cwd,
                "sessionId": self._session,
                "version": VERSION,
                "gitBranch": "main",
            }
        )
        self._parent = uuid

    def _stamp(self) -> str:
        return self._now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
