# SPDX-License-Identifier: Apache-2.0
"""How opencode is driven, and its database as rows."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from integration.claude_code.model_server import Block, tool

COLUMNS = {
    "session": ("id", "parent_id", "directory", "revert", "time_created"),
    "message": ("id", "session_id", "time_created", "data"),
    "part": ("id", "message_id", "session_id", "time_updated", "data"),
}


class DriveOpencode:
    """One provider, which is the scripted model, and nothing that asks elsewhere."""

    name, program = "opencode", "opencode"
    keeps_streamed = True
    failing: Block = tool("read", filePath="/nowhere/at-all.txt")

    def shell(self, command: str) -> Block:
        return tool("bash", command=command, description="Report")

    def prepare(self, home: Path, url: str) -> dict[str, str]:
        model = {"name": "m", "tool_call": True, "limit": {"context": 200_000, "output": 1024}}
        options = {"baseURL": f"{url}/v1", "apiKey": "loopback"}
        provider = {"npm": "@ai-sdk/anthropic", "name": "ft", "options": options, "models": {"m": model}}
        off = {"autoupdate": False, "share": "disabled", "snapshot": False, "lsp": False, "formatter": False}
        settings = {"provider": {"ft": provider}, "enabled_providers": ["ft"], "permission": "allow", **off}
        (home / "opencode.json").write_text(json.dumps(settings))
        places = {
            f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")
        }
        switches = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE", "CLAUDE_CODE")
        disabled = {f"OPENCODE_DISABLE_{name}": "1" for name in switches}
        return {"OPENCODE_CONFIG": str(home / "opencode.json"), **places, **disabled}

    def arguments(self, prompt: str, *, again: bool) -> list[str]:
        last = ["--continue"] if again else []
        return ["run", "--format", "json", "--model", "ft/m", "--title", "Patrol", *last, prompt]

    def kept(self, home: Path) -> Path:
        return home / "data" / "opencode"

    def content(self, kept: Path) -> Any:
        """The rows that matter, as JSON."""
        db = sqlite3.connect(f"{(kept / 'opencode.db').as_uri()}?mode=ro", uri=True)
        found = {}
        for table, columns in COLUMNS.items():
            rows = db.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id").fetchall()
            named = (dict(zip(columns, row, strict=True)) for row in rows)
            found[table] = [
                row | {"data": json.loads(row["data"])} if "data" in row else row for row in named
            ]
        db.close()
        return found
