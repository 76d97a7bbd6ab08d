# SPDX-License-Identifier: Apache-2.0
"""Record the scripted sessions of a harness into tests/fixtures/harnesses, in words of our own.

    PYTHONPATH=src:tests python -m integration.harnesses.record codex [SESSION...]

What the scripts say and what their commands print stays. A text of the harness becomes "harness text N",
the same for the same text; a text with words of ours in it does so line by line.
"""

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collected_town import SECRET
from integration.harnesses import driven
from integration.harnesses.drivers import DRIVERS, Recorder

from node0.finetune.corpus.transcript.opencode.message_parts import INTERRUPTED, SO_FAR
from node0.finetune.corpus.transcript.pi.pi_messages import NO_RESULT

FIXTURES = Path(__file__).parents[2] / "fixtures" / "harnesses"
PROJECT = "/srv/gt/demo/witness"
TAGS = [
    f"<{end}{name}>"
    for name in ("turn_aborted", "environment_context", "session_context", "summary")
    for end in ("", "/")
]
KEPT = (
    *TAGS,
    NO_RESULT,
    INTERRUPTED,
    SO_FAR,
    "part",
    "slow",
    f"GITHUB_TOKEN={SECRET}",
    f"sleep 0.3; echo GITHUB_TOKEN={SECRET}",
)
OURS = "\n".join([*(path.read_text("utf-8") for path in Path(driven.__file__).parent.glob("dri*.py")), *KEPT])
IDENTITIES = {
    *("type", "id", "role", "name", "status", "tool", "reason", "finish", "timestamp", "version", "mime"),
    *("call_id", "callID", "toolCallId", "toolName", "stopReason", "sessionID", "session_id", "sessionId"),
    *("message_id", "messageID", "parentID", "parent_id", "parentId", "provider", "api", "model", "at"),
    *("startTime", "lastUpdated", "kind", "projectHash", "originator", "cli_version", "turn_id", "subtype"),
    *("firstKeptEntryId", "mode", "agent", "responseId", "$rewindTo", "displayName"),
}
DROPPED = {
    "metadata",
    "world_state",
    "state_snapshot",
    "resultDisplay",
    "description_of_tool",
    "tokens",
    "usage",
}


class Neutral:
    """Rewrites what one session left behind."""

    def __init__(self, home: Path) -> None:
        self._project, self._home = str(home / "rig"), str(home)
        self._texts: dict[str, str] = {}

    def value(self, value: Any, key: str = "") -> Any:
        """Any JSON value, with identities as they are."""
        if isinstance(value, str):
            return self._placed(value) if key in IDENTITIES else self.text(value)
        if isinstance(value, dict):
            return {name: self.value(item, name) for name, item in value.items() if name not in DROPPED}
        return [self.value(item, key) for item in value] if isinstance(value, list) else value

    def request(self, request: driven.Sent) -> list[Any]:
        records = [
            [*record[:3], self.value(record[3])]
            if record[0] == "call"
            else [*record[:-1], self.text(record[-1])]
            for record in request.records
        ]
        return [records, request.tools, request.failed]

    def text(self, text: str) -> str:
        text = self._placed(text)
        if text.startswith("{") and text.endswith("}"):
            return json.dumps(self.value(json.loads(text)))
        lines = text.split("\n")
        if not any(_is_ours(line) for line in lines):
            return self._whole(text)
        return "\n".join(line if _is_ours(line) or not line.strip() else self._whole(line) for line in lines)

    def _placed(self, text: str) -> str:
        return text.replace(self._project, PROJECT).replace(self._home, "/home/agent")

    def _whole(self, text: str) -> str:
        if not text.strip() or text == PROJECT:
            return text
        return self._texts.setdefault(text, f"harness text {len(self._texts) + 1}")


def _is_ours(line: str) -> bool:
    return bool(line.strip()) and line.strip() in OURS


def record(recorder: Recorder, program: Path, session: str) -> None:
    """Run one session and write HARNESS/SESSION.requests.json, and what the harness kept."""
    folder = FIXTURES / recorder.name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        left = driven.SESSIONS[session](recorder, program, home)
        neutral = Neutral(home)
        _write(folder / f"{session}.requests.json", [neutral.request(request) for request in left.requests])
        content = neutral.value(recorder.content(left.kept))
        _write(folder / f"{session}{'.jsonl' if isinstance(content, list) else '.json'}", content)


def _write(path: Path, content: Any) -> None:
    """One value a line, so that a change is read easily."""
    if isinstance(content, dict):
        tables = (f"{json.dumps(name)}: {_listed(rows)}" for name, rows in content.items())
        text = "{\n" + ",\n".join(tables) + "\n}"
    elif path.suffix == ".jsonl":
        text = "\n".join(_lines(content))
    else:
        text = _listed(content)
    path.write_text(text + "\n", encoding="utf-8")


def _listed(values: Iterable[Any]) -> str:
    return "[\n" + ",\n".join(_lines(values)) + "\n]"


def _lines(values: Iterable[Any]) -> Iterable[str]:
    return (json.dumps(value, ensure_ascii=False) for value in values)


def main(arguments: list[str]) -> int:
    """Record the sessions named, or all that the harness has."""
    recorder = DRIVERS[arguments[0]]
    program = driven.find_program(recorder.program)
    if program is None:
        sys.stderr.write(f"{recorder.program} is neither in .town-tools nor on PATH: install it with npm\n")
        return 1
    for session in arguments[1:] or driven.SESSIONS:
        record(recorder, program, session)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
