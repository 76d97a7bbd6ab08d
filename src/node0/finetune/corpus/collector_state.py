# SPDX-License-Identifier: Apache-2.0
"""What a collector remembers between runs, in `<corpus>/.collector.json`."""

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from node0.files import write_atomically
from node0.finetune.corpus.sessions import Session, Window

logger = logging.getLogger(__name__)


class CollectorState:
    """What was collected, by session."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sessions: dict[str, dict[str, Any]] = {}
        if path.is_file():
            try:
                self._sessions = json.loads(path.read_text(encoding="utf-8"))["sessions"]
            except (ValueError, KeyError, TypeError):
                logger.warning("%s cannot be read: every session is collected again", path)

    def sessions(self) -> dict[str, Session]:
        """Every session collected so far."""
        return {name: _session_from(name, known) for name, known in self._sessions.items()}

    def seen(self, session: Session, paths: Sequence[Path], version: str) -> bool:
        """Whether exactly this was collected already."""
        known = self._sessions.get(session.session_id)
        return known is not None and known["mark"] == fingerprint(session, paths, version)

    def remember(self, session: Session, mark: str) -> None:
        """Note a session, with the `fingerprint` that its files had before they were read."""
        windows = [
            {"start": window.start.isoformat(), "bead_id": window.bead_id, "outcome": window.outcome}
            | {"task_type": window.task_type}
            for window in session.windows
        ]
        facts = {"role": session.role, "rig": session.rig, "started": session.started}
        self._sessions[session.session_id] = {"mark": mark, **facts, "windows": windows}

    def save(self) -> None:
        """Write the memory, whole or not at all."""
        content = {"version": 1, "sessions": dict(sorted(self._sessions.items()))}
        write_atomically(self._path, json.dumps(content, ensure_ascii=False) + "\n")


def _session_from(name: str, known: dict[str, Any]) -> Session:
    windows = tuple(
        Window(
            datetime.fromisoformat(window["start"]), window["bead_id"], window["task_type"], window["outcome"]
        )
        for window in known["windows"]
    )
    return Session(name, known["role"], known["rig"], known["started"], windows)


def fingerprint(session: Session, paths: Sequence[Path], version: str) -> str:
    """Changes when a file grew, a window or an outcome changed, or the scrub rules did."""
    sizes = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr((session, sizes, version)).encode()).hexdigest()
