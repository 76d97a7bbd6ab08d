# SPDX-License-Identifier: Apache-2.0
"""How pi is driven, and its session as lines."""

import json
from pathlib import Path
from typing import Any

from integration.claude_code.model_server import Block, tool


class DrivePi:
    """One provider, which is the scripted model."""

    name, program = "pi", "pi"
    keeps_streamed = False
    failing: Block = tool("read", path="/nowhere/at-all.txt")

    def shell(self, command: str) -> Block:
        return tool("bash", command=command)

    def prepare(self, home: Path, url: str) -> dict[str, str]:
        agent = home / ".pi" / "agent"
        agent.mkdir(parents=True, exist_ok=True)
        free = dict.fromkeys(("input", "output", "cacheRead", "cacheWrite"), 0)
        size = {"contextWindow": 200_000, "maxTokens": 1024}
        model = {"id": "m", "name": "m", "reasoning": False, "input": ["text"], "cost": free, **size}
        provider = {"baseUrl": url, "apiKey": "FT_KEY", "api": "anthropic-messages", "models": [model]}
        (agent / "models.json").write_text(json.dumps({"providers": {"ft": provider}}))
        (agent / "settings.json").write_text(json.dumps({"compaction": {"keepRecentTokens": 1}}))
        return {"FT_KEY": "loopback", "PI_OFFLINE": "1"}

    def arguments(self, prompt: str, *, again: bool) -> list[str]:
        return ["--provider", "ft", "--model", "m", *(["--continue"] if again else []), "-p", prompt]

    def kept(self, home: Path) -> Path:
        return home / ".pi" / "agent"

    def content(self, kept: Path) -> Any:
        """All lines."""
        (path,) = kept.glob("sessions/*/*.jsonl")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
