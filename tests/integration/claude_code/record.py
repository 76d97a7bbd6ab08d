# SPDX-License-Identifier: Apache-2.0
"""Record the scripted sessions into tests/fixtures/claude_code, in words of our own.

    PYTHONPATH=src:tests python -m integration.claude_code.record

Of each line only the keys that the reader knows are kept. Every text of the harness (system prompt, tool
descriptions, reminders, messages around results) becomes "harness text N", the same for the same text;
prompts and messages line by line, so that texts which contain each other still do. What the scripts say and
what their commands print stays. Then every hash is computed again.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from claude_requests import BILLING
from integration.claude_code import sessions
from integration.claude_code.model_server import Received

FIXTURES = Path(__file__).parents[2] / "fixtures" / "claude_code"
OURS = Path(sessions.__file__).read_text(encoding="utf-8")
PROJECT = "/srv/gt/demo/witness"
LEFT_OUT = {"plain_text"}
"Too large: the harness's own set of tools; the others hold its three tools or fewer."

ENVELOPE = (
    *("type", "subtype", "uuid", "parentUuid", "logicalParentUuid", "timestamp", "sessionId", "version"),
    *("isSidechain", "agentId", "isMeta", "isCompactSummary", "isApiErrorMessage", "requestRef"),
    *("renderedRole", "renderedBesideToolResult", "id", "querySource", "base", "keep"),
)
IDENTITIES = {"type", "id", "tool_use_id", "name", "tool_name", "signature", "role", "data", "media_type"}
MARKS = ("<system-reminder>", "</system-reminder>")


class Neutral:
    """Rewrites the files and requests of one session; keeps which hash became which."""

    def __init__(self, home: Path) -> None:
        self._project = str(home / "rig")
        self._texts: dict[str, str] = {}
        self._hashes: dict[str, str] = {}

    def request(self, received: Received) -> dict[str, Any]:
        """Body and answer id of one request, in neutral words."""
        body = received.body
        for message in body["messages"]:
            self._remember(message, self.message(message))
        return {
            "answer_id": received.answer_id,
            "body": {**self.shape(body), "messages": [self.message(message) for message in body["messages"]]},
        }

    def line(self, line: dict[str, Any]) -> dict[str, Any]:
        """One line of a session file."""
        kept = {key: line[key] for key in ENVELOPE if key in line}
        if "cwd" in line:
            kept["cwd"] = PROJECT
        if "message" in line:
            extra = {key: line["message"][key] for key in ("id", "stop_reason") if key in line["message"]}
            kept["message"] = extra | self.message(line["message"])
        if line["type"] == "attachment":
            kept["attachment"] = self._attachment(line["attachment"])
        if "rendered" in line:
            kept["rendered"] = [{"content": self._lines(part["content"])} for part in line["rendered"]]
        return kept | self._log(line)

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"role": message["role"], "content": self._content(message["content"])}

    def shape(self, shape: dict[str, Any]) -> dict[str, Any]:
        return {
            "system": [block | {"text": self._lines(block["text"])} for block in shape["system"]],
            "tools": [self._tool(tool) for tool in shape["tools"]],
        }

    def _log(self, line: dict[str, Any]) -> dict[str, Any]:
        if line["type"] == "api-request-shape":
            shape = self.shape(line["shape"])
            self._hashes[line["shapeHash"]] = _digest(shape)
            return {"shapeHash": _digest(shape), "shape": shape}
        if line["type"] == "api-request-blob":
            self._remember(line["message"], self.message(line["message"]))
            return {"hash": self._hashes[line["hash"]]}
        if line["type"] == "api-request":
            tail = [self._hashes[name] for name in line["tail"]]
            return {"shapeHash": self._hashes[line["shapeHash"]], "tail": tail}
        return {}

    def _remember(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        for form in (_unmarked, _as_blocks):
            self._hashes[_digest(form(old))] = _digest(form(new))

    def _attachment(self, attachment: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {"type": attachment["type"]}
        if attachment["type"] == "prompt_snapshot":
            kept["systemPrompt"] = [self._lines(part) for part in attachment["systemPrompt"]]
            if attachment.get("cliPrefix"):
                kept["cliPrefix"] = self._lines(attachment["cliPrefix"])
            tools = attachment.get("tools") or []
            kept["tools"] = [{"schema": self._tool(tool["schema"])} for tool in tools]
        return kept

    def _tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        schema = tool["input_schema"]
        properties = {name: {} for name in schema.get("properties", {})}
        neutral = {"type": "object", "properties": properties, "required": schema.get("required", [])}
        return tool | {"description": self._whole(tool["description"]), "input_schema": neutral}

    def _content(self, value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return value if key in IDENTITIES else self._lines(value)
        if isinstance(value, dict):
            return {
                name: item
                if name == "cache_control"
                else self._ours(item)
                if name == "input"
                else self._content(item, name)
                for name, item in value.items()
            }
        return [self._content(item) for item in value] if isinstance(value, list) else value

    def _ours(self, value: Any) -> Any:
        return json.loads(json.dumps(value).replace(self._project, PROJECT))

    def _lines(self, text: str) -> str:
        return "\n".join(self._one(line) for line in text.replace(self._project, PROJECT).split("\n"))

    def _one(self, line: str) -> str:
        words = line.strip()
        ours = not words or words in MARKS or words.isdigit() or words in OURS
        return line if ours else line.replace(words, self._whole(words))

    def _whole(self, text: str) -> str:
        if text.startswith(BILLING):
            return f"{BILLING} none"
        if text in OURS:
            return text
        return self._texts.setdefault(text, f"harness text {len(self._texts) + 1}")


def _digest(value: Any) -> str:
    line = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmarked(item) for key, item in value.items() if key != "cache_control"}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value


def _as_blocks(message: dict[str, Any]) -> Any:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return _unmarked({**message, "content": blocks})


def record(name: str, claude: Path, folder: Path) -> None:
    """Run one session and write its fixtures into a folder: NAME.requests.json, NAME.N.jsonl."""
    home = folder.parent / "homes" / name
    recording = sessions.SESSIONS[name](home, claude)
    neutral = Neutral(home)
    requests = [neutral.request(received) for received in recording.requests]
    _write(folder / f"{name}.requests.json", requests)
    for number, path in enumerate(recording.transcripts):
        lines = [neutral.line(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
        _write(folder / f"{name}.{number}.jsonl", lines)


def _write(path: Path, values: Iterable[Any]) -> None:
    """One value a line, so that a change is read easily; a .json file is a list."""
    lines = [json.dumps(value, ensure_ascii=False) for value in values]
    text = "\n".join(lines) if path.suffix == ".jsonl" else "[\n" + ",\n".join(lines) + "\n]"
    path.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    """Record every session again."""
    claude = sessions.find_claude()
    if claude is None:
        sys.stderr.write("claude is neither in .town-tools nor on PATH: run `make town-tools`\n")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "fixtures"
        folder.mkdir()
        for name in sessions.SESSIONS.keys() - LEFT_OUT:
            record(name, claude, folder)
        shutil.rmtree(FIXTURES, ignore_errors=True)
        shutil.copytree(folder, FIXTURES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
