# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that answers the clients of W&B and MLflow as theirs do, and keeps what they send."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

RUN = "5" * 32
"The id that MLflow's server gives."


class TrackerServer(ThreadingHTTPServer):
    """What was asked, in order; with `broken` set it answers nothing but errors."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.broken = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def bodies(self, name: str) -> list[dict[str, Any]]:
        """What was sent under this name, in order."""
        return [body for asked, body in self.asked if asked == name]


class _Handler(BaseHTTPRequestHandler):
    server: TrackerServer

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(text or b"{}")
        name = str(body.get("operationName") or urlsplit(self.path).path.rpartition("/")[2])
        self.server.asked.append((name, {**body, "headers": dict(self.headers)}))
        variables = body.get("variables") or {}
        self._answer(_answer(name, run=str(variables.get("name"))))

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.rpartition("/")[2]
        self.server.asked.append((name, {"headers": dict(self.headers)}))
        self._answer(_answer(name))

    def _answer(self, found: dict[str, Any]) -> None:
        text = json.dumps({} if self.server.broken else found).encode()
        self.send_response(500 if self.server.broken else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: a test says what was asked."""


def _answer(name: str, *, run: str = "") -> dict[str, Any]:
    """What the servers answer; `run` is the name that W&B's client gave its run."""
    entity = {"id": "e", "name": "me"}
    bucket = {"id": "b", "name": run, "displayName": "d", "project": {"name": "p", "entity": entity}}
    begun = {"info": {"run_id": RUN, "run_uuid": RUN, "experiment_id": "7", "status": "RUNNING"}, "data": {}}
    answers: dict[str, dict[str, Any]] = {
        "RunResumeStatus": {"data": {"model": {"bucket": None, "entity": entity, "name": "p"}}},
        "UpsertBucket": {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}},
        "CreateRunFiles": {"data": {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []}}},
        "get-by-name": {"experiment": {"experiment_id": "7", "name": "gastown-finetune"}},
        "create": {"run": begun},
        "get": {"run": begun},
        "update": {"run_info": begun["info"]},
    }
    return answers.get(name, {})


@contextmanager
def tracker_server() -> Iterator[TrackerServer]:
    """A server that is up in the block."""
    server = TrackerServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
