# SPDX-License-Identifier: Apache-2.0
"""Rows as bd writes them, for tests: beads, events, and backup directories made of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = tuple[str, str, dict[str, Any]]


def bead(name: str, status: str = "closed", **more: Any) -> Row:
    plain = {"title": f"Mend {name}", "issue_type": "task", "created_at": "2026-01-05T05:00:00Z"}
    return "", "issues", {"id": name, "status": status, **plain, **more}


def changed(name: str, minute: int, actor: str, before: str = "open", **new: Any) -> Row:
    """`status_changed` events carry JSON of the whole bead before, and of what was set."""
    return event(name, minute, actor, "status_changed", json.dumps({"id": name, "status": before}), **new)


def hooked(name: str, minute: int, worker: str, actor: str = "mayor") -> Row:
    return changed(name, minute, actor, status="hooked", assignee=worker)


def closed(name: str, minute: int, actor: str, reason: str = "Closed") -> Row:
    row = event(name, minute, actor, "closed", "")
    return (*row[:2], {**row[2], "new_value": reason})


def event(name: str, minute: int, actor: str, kind: str, old: str, **new: Any) -> Row:
    values = {"issue_id": name, "event_type": kind, "actor": actor, "old_value": old}
    stamp = f"2026-01-05T{6 + minute // 60:02d}:{minute % 60:02d}:00Z"
    return "", "events", {"id": minute, **values, "new_value": json.dumps(new), "created_at": stamp}


def label(name: str, *labels: str) -> list[Row]:
    return [("", "labels", {"issue_id": name, "label": one}) for one in labels]


def write_backup(directory: Path, rows: Iterable[Row]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "issues.jsonl").touch()
    for _, table, row in rows:
        with (directory / f"{table}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
    return directory
