# SPDX-License-Identifier: Apache-2.0
"""A Dolt server of the tests' own, with databases as two versions of bd lay them out."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

ROOT = Path(__file__).parents[2]
PORTS_TRIED = 3
ISSUE = """
    id VARCHAR(255) PRIMARY KEY, content_hash VARCHAR(64), title VARCHAR(500) NOT NULL,
    description TEXT NOT NULL, design TEXT, acceptance_criteria TEXT, notes {notes},
    status VARCHAR(32) NOT NULL DEFAULT 'open',
    priority INT NOT NULL DEFAULT 2, issue_type VARCHAR(32) NOT NULL DEFAULT 'task', assignee VARCHAR(255),
    estimated_minutes INT, created_at DATETIME NOT NULL, created_by VARCHAR(255), owner VARCHAR(255),
    updated_at DATETIME, closed_at DATETIME, closed_by_session VARCHAR(255), external_ref VARCHAR(255),
    ephemeral TINYINT(1) DEFAULT 0, pinned TINYINT(1) DEFAULT 0, metadata JSON, close_reason TEXT,
    hook_bead VARCHAR(255), role_bead VARCHAR(255), agent_state VARCHAR(32), role_type VARCHAR(32),
    rig VARCHAR(255)
"""
EVENT = """
    id {id} PRIMARY KEY, issue_id VARCHAR(255) NOT NULL, event_type VARCHAR(32) NOT NULL,
    actor VARCHAR(255) NOT NULL, old_value TEXT, new_value TEXT, comment TEXT, created_at DATETIME NOT NULL
"""
LABEL = "issue_id VARCHAR(255), label VARCHAR(255), PRIMARY KEY (issue_id, label)"
OLDER = {
    "issues": ISSUE.format(notes="TEXT") + ", quality_score DOUBLE, crystallizes TINYINT(1) DEFAULT 0",
    "events": EVENT.format(id="BIGINT"),
    "labels": LABEL,
    "dependencies": "issue_id VARCHAR(255), depends_on_id VARCHAR(255), type VARCHAR(32), "
    "created_at DATETIME, created_by VARCHAR(255), metadata JSON, "
    "thread_id VARCHAR(255), PRIMARY KEY (issue_id, depends_on_id)",
}
"As bd 1.0.0: events are numbered, a dependency names what it depends on in one column, no short-lived beads."

LINK = (
    "id CHAR(36) PRIMARY KEY, issue_id VARCHAR(255), type VARCHAR(32), depends_on_issue_id VARCHAR(255), "
    "depends_on_wisp_id VARCHAR(255), depends_on_external VARCHAR(255), created_at DATETIME"
)
NEWER_ISSUE = (
    ISSUE.format(notes="LONGTEXT") + ", no_history TINYINT(1), started_at DATETIME, is_blocked TINYINT(1)"
)
NEWER = {
    **dict.fromkeys(("issues", "wisps"), NEWER_ISSUE),
    **{name: EVENT.format(id="CHAR(36)") for name in ("events", "wisp_events")},
    **dict.fromkeys(("labels", "wisp_labels"), LABEL),
    **dict.fromkeys(("dependencies", "wisp_dependencies"), LINK),
    "interactions": "id VARCHAR(64) PRIMARY KEY, kind VARCHAR(32), created_at DATETIME, actor VARCHAR(255), "
    "issue_id VARCHAR(255), model VARCHAR(255), prompt LONGTEXT, response LONGTEXT, error TEXT, "
    "tool_name VARCHAR(255), exit_code INT, parent_id VARCHAR(64), label VARCHAR(32), reason TEXT, "
    "extra JSON",
}
"As bd 1.0.5: events have uuids, three columns for a dependency, wisps beside issues, audit records."


def find_dolt() -> Path | None:
    """The binary that `make town-tools` installed, else the one on PATH, else None."""
    installed, on_path = ROOT / ".town-tools" / "bin" / "dolt", shutil.which("dolt")
    return installed if installed.exists() else Path(on_path) if on_path else None


class Dolt:
    """A running server."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self._pid = port, pid

    def computed(self) -> float:
        """Seconds that it has had a core; 0 where no /proc tells."""
        file = Path(f"/proc/{self._pid}/stat")
        own = file.read_text().rpartition(")")[2].split()[11:13] if file.exists() else []
        return sum(map(int, own)) / os.sysconf("SC_CLK_TCK")

    def engine(self) -> Engine:
        url = URL.create("mysql+pymysql", "root", host="127.0.0.1", port=self.port)
        return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def run(self, *statements: str) -> list[Any]:
        """Execute statements; the rows of the last one."""
        with self.engine().connect() as connection:
            done = [connection.execute(text(statement)) for statement in statements]
            return list(done[-1]) if done[-1].returns_rows else []

    def create(self, database: str, tables: dict[str, str]) -> None:
        made = [f"CREATE TABLE {database}.{name} ({columns})" for name, columns in tables.items()]
        self.run(f"CREATE DATABASE {database}", *made)

    def insert(self, database: str, table: str, rows: list[dict[str, Any]]) -> None:
        """Put rows into a table; columns that it lacks are left out, times are as Dolt wants them."""
        known = [row[0] for row in self.run(f"SHOW COLUMNS FROM {database}.{table}")]
        used = [name for name in known if any(name in row for row in rows)]
        marks = ", ".join(f":{name}" for name in used)
        statement = text(f"INSERT INTO {database}.{table} ({', '.join(used)}) VALUES ({marks})")
        values = [{name: _plain(row.get(name)) for name in used} for row in rows]
        with self.engine().connect() as connection:
            for begin in range(0, len(values), 500):
                connection.execute(statement, values[begin : begin + 500])

    def state(self, database: str) -> str:
        """Changes with whatever is written to a database."""
        return str(self.run(f"USE {database}", "SELECT dolt_hashof_db('WORKING')")[0][0])


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.endswith("Z") and value[:4].isdigit() and "T" in value:
        return value[:-1].replace("T", " ")
    return json.dumps(value) if isinstance(value, dict | list) else value


@contextmanager
def running(binary: Path, folder: Path) -> Iterator[Dolt]:
    """A server on loopback and a free port, in a home of its own; gone afterwards."""
    home, data = folder / "home", folder / "data"
    data.mkdir(parents=True)
    home.mkdir()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "DOLT_DISABLE_EVENT_FLUSH": "1"}
    settings = {"metrics.disabled": "true", "user.name": "t", "user.email": "t@example.com"}
    for key, value in settings.items():
        add = [str(binary), "config", "--global", "--add", key, value]
        subprocess.run(add, env=environment, check=True, capture_output=True, timeout=60)
    for _ in range(PORTS_TRIED):
        port, log = _free_port(), folder / "log"
        listen = ["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(data)]
        with log.open("wb") as file:
            server = subprocess.Popen(
                [str(binary), "sql-server", *listen], env=environment, cwd=data, stdout=file, stderr=file
            )
        dolt = Dolt(port, server.pid)
        try:
            if _answers(dolt, server):
                yield dolt
                return
        finally:
            server.terminate()
            server.wait(timeout=60)
    raise AssertionError(f"dolt did not start: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(dolt: Dolt, server: "subprocess.Popen[bytes]") -> bool:
    """Whether this server is there; it ends where another program took its port meanwhile."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            dolt.run("SELECT 1")
        except DBAPIError:
            time.sleep(0.1)
        else:
            return server.poll() is None
    return False
