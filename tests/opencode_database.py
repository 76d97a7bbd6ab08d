# SPDX-License-Identifier: Apache-2.0
"""Make an opencode database of rows that a fixture holds."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE session (id text PRIMARY KEY, parent_id text, directory text NOT NULL, revert text,
    time_created integer NOT NULL);
CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL,
    data text NOT NULL);
CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL,
    time_updated integer NOT NULL, data text NOT NULL);
"""
"The columns of opencode 1.18.33 that are read."


def write_database(path: Path, rows: Mapping[str, Any]) -> Path:
    """A database with these rows: by table, each a mapping of columns; `data` as JSON, or as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.executescript(SCHEMA)
    for table, found in rows.items():
        for row in found:
            values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
            marks = ", ".join("?" * len(values))
            db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)
    db.commit()
    db.close()
    return path
