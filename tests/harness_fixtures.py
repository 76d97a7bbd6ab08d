# SPDX-License-Identifier: Apache-2.0
"""Recorded sessions of other harnesses, laid down where each keeps its own."""

import json
import shutil
from pathlib import Path

from opencode_database import write_database

FIXTURES = Path(__file__).parent / "fixtures" / "harnesses"
RECORDED = sorted(
    (path.parent.name, path.name.removesuffix(".requests.json"))
    for path in FIXTURES.glob("*/*.requests.json")
)
"Harness and session."


def laid_down(harness: str, session: str, home: Path) -> Path:
    """The directory where the harness keeps its files, with one session in it."""
    folder = FIXTURES / harness
    if harness == "opencode":
        write_database(home / "opencode.db", json.loads((folder / f"{session}.json").read_text("utf-8")))
    elif harness == "codex":
        place = home / "sessions" / "2026" / "01" / "05" / f"rollout-{session}.jsonl"
        place.parent.mkdir(parents=True)
        shutil.copy(folder / f"{session}.jsonl", place)
    elif harness == "pi":
        (home / "sessions" / "--srv--").mkdir(parents=True)
        shutil.copy(folder / f"{session}.jsonl", home / "sessions" / "--srv--" / f"{session}.jsonl")
    elif harness == "gemini":
        (home / "tmp" / "rig" / "chats").mkdir(parents=True)
        (home / "tmp" / "rig" / ".project_root").write_text("/srv/gt/demo/witness")
        place = home / "tmp" / "rig" / "chats" / f"session-{session}.jsonl"
        shutil.copy(folder / f"{session}.jsonl", place)
    return home
