# SPDX-License-Identifier: Apache-2.0
"""A server that answers as an engine does, or not quite."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Replies = dict[str, Any]


@contextmanager
def serving(replies: Replies) -> Iterator[str]:
    """Answers paths from a table: JSON, bytes as they are, or what a function makes of the body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            reply = replies.get(self.path)
            reply = reply(body) if callable(reply) else reply
            text = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(404 if reply is None else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def counting(path: list[str]) -> Callable[[Any], Any]:
    """Counts the ids that were given, where an engine puts that number."""

    def count(body: Any) -> Any:
        answer: Any = len(body.get("prompt", body.get("input_ids")))
        for name in reversed(path):
            answer = {name: answer}
        return answer

    return count


def good_replies(kind: str) -> Replies:
    """What an engine of this kind says that serves deacon:3 with a window of 8192."""
    models = {"data": [{"id": "base"}, {"id": "deacon:3", "max_model_len": 8192}]}
    if kind == "llama-server":
        return {
            "/health": {"status": "ok"},
            "/v1/models": models,
            "/props": {"default_generation_settings": {"n_ctx": 8192}},
            "/completion": counting(["tokens_evaluated"]),
        }
    if kind == "sglang":
        models = {"data": [{"id": "deacon", "max_model_len": 8192}, {"id": "3"}]}
        return {"/health": b"", "/v1/models": models, "/generate": counting(["meta_info", "prompt_tokens"])}
    return {"/v1/models": models, "/v1/completions": counting(["usage", "prompt_tokens"])}
