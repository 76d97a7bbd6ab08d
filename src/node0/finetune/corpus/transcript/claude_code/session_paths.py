# SPDX-License-Identifier: Apache-2.0
"""Where Claude Code keeps session files: `<config dir>/projects/<slug>/<session uuid>.jsonl`."""

from collections.abc import Iterable
from pathlib import Path


def session_paths(claude_dirs: Iterable[Path]) -> dict[str, list[Path]]:
    """Session files by session uuid, the main file before its subagents'."""
    found: dict[str, list[Path]] = {}
    for directory in claude_dirs:
        for path in sorted((directory / "projects").glob("*/*.jsonl")):
            if not path.is_file():
                continue
            # The same session may lie under two accounts: the longer file holds the shorter one.
            known = found.get(path.stem)
            if known is None or known[0].stat().st_size < path.stat().st_size:
                found[path.stem] = with_subagents(path)
    return found


def with_subagents(path: Path) -> list[Path]:
    """A session file and those of its subagents, which lie in a directory of its own name.

    Pipes and devices, which could be waited for without end, and links are none.
    """
    beside = sorted((path.with_suffix("") / "subagents").glob("agent-*.jsonl"))
    return [path, *(agent for agent in beside if agent.is_file() and not agent.is_symlink())]
