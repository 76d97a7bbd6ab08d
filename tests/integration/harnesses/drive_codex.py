# SPDX-License-Identifier: Apache-2.0
"""How Codex is driven, and its rollout as lines."""

import json
from pathlib import Path
from typing import Any

from integration.claude_code.model_server import Block, tool

SETTINGS = """\
model = "gpt-5-codex"
model_provider = "ft"
model_context_window = 200000
model_auto_compact_token_limit = 150000
[model_providers.ft]
name = "ft"
base_url = "{url}/v1"
env_key = "FT_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""
OPTIONS = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json")
LEFT_OUT = ("world_state", "thread_settings_applied", "item_completed", "token_count", "turn_context")


class DriveCodex:
    """One provider, which is the scripted model."""

    name, program = "codex", "codex"
    keeps_streamed = True
    failing: Block = tool("exec_command", comand="ls")

    def shell(self, command: str) -> Block:
        return tool("exec_command", cmd=command)

    def prepare(self, home: Path, url: str) -> dict[str, str]:
        (home / ".codex").mkdir(exist_ok=True)
        (home / ".codex" / "config.toml").write_text(SETTINGS.format(url=url))
        return {"CODEX_HOME": str(home / ".codex"), "FT_KEY": "loopback"}

    def arguments(self, prompt: str, *, again: bool) -> list[str]:
        return ["exec", *(("resume", "--last") if again else ()), *OPTIONS, prompt]

    def kept(self, home: Path) -> Path:
        return home / ".codex"

    def content(self, kept: Path) -> Any:
        """The lines that matter."""
        (path,) = kept.glob("sessions/*/*/*/*.jsonl")
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        kinds = ({line["type"], line["payload"].get("type")} for line in lines)
        return [line for line, kind in zip(lines, kinds, strict=True) if not kind & set(LEFT_OUT)]
