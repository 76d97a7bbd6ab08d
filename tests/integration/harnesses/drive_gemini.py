# SPDX-License-Identifier: Apache-2.0
"""How Gemini CLI is driven, and its session as lines."""

import json
from pathlib import Path
from typing import Any

from integration.claude_code.model_server import Block, tool

LEFT_OUT = ("description", "displayName", "thoughts")


class DriveGemini:
    """A key of no use, and the scripted model in the service's place."""

    name, program = "gemini", "gemini"
    keeps_streamed = False
    failing: Block = tool("read_file", file_path="/nowhere/at-all.txt")

    def shell(self, command: str) -> Block:
        return tool("run_shell_command", command=command)

    def prepare(self, home: Path, url: str) -> dict[str, str]:
        (home / ".gemini").mkdir(exist_ok=True)
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"enableAutoUpdate": False},
        }
        (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
        trusted = {"GEMINI_CLI_NO_RELAUNCH": "1", "GEMINI_CLI_TRUST_WORKSPACE": "true", "NO_BROWSER": "1"}
        return {"GEMINI_API_KEY": "loopback", "GOOGLE_GEMINI_BASE_URL": url, **trusted}

    def arguments(self, prompt: str, *, again: bool) -> list[str]:
        last = ["--resume", "latest"] if again else []
        return ["--yolo", "-m", "gemini-2.5-flash", *last, "-p", prompt]

    def kept(self, home: Path) -> Path:
        return home / ".gemini"

    def content(self, kept: Path) -> Any:
        """All lines, of one file or several, without what the program shows a person of its tools."""
        paths = sorted(kept.glob("tmp/*/chats/*.jsonl"))
        return [_plain(json.loads(line)) for path in paths for line in path.read_text("utf-8").splitlines()]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in LEFT_OUT}
    return [_plain(item) for item in value] if isinstance(value, list) else value
