# SPDX-License-Identifier: Apache-2.0
"""A scripted model on loopback: answers POST /v1/messages from a script, keeps every request body.

    with ModelServer({"": [[text("Hello.")]]}) as server: ...   # server.url, server.requests

A script maps a word to answers in order. A request takes the next answer of the first word that stands
in its first user message and has answers left; the word "" stands in every message. The last answer of
"" is given again when nothing is left. An answer is a list of content blocks, or an HTTP status, which
is an error that the client may try again. Two marks may end the blocks: CUT breaks the stream off there,
FULL stops for want of tokens.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Block = dict[str, Any]
Answer = list[Block] | int
CUT: Block = {"type": "cut"}
FULL: Block = {"type": "full"}


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def thinking(words: str) -> Block:
    return {"type": "thinking", "thinking": words, "signature": "c2lnbmF0dXJl"}


def tool(name: str, /, **values: Any) -> Block:
    """A call; the server gives it an id."""
    return {"type": "tool_use", "name": name, "input": values}


@dataclass(frozen=True)
class Received:
    """One request body and the id of the message that answered it; empty after an error."""

    body: dict[str, Any]
    answer_id: str


class ModelServer:
    """Listens while it is entered.

    Args:
        script: Answers by word, as above.
        tokens: Number of input tokens to claim, by number of the answer from 1; 100 for others.

    Attributes:
        requests: What was received, in order.
    """

    def __init__(self, script: dict[str, list[Answer]], *, tokens: dict[int, int] | None = None) -> None:
        self.script = {word: list(answers) for word, answers in script.items()}
        self.requests: list[Received] = []
        self._tokens = tokens or {}
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, body: dict[str, Any]) -> tuple[str, Answer]:
        """The id and the content of the answer to one request."""
        with self._lock:
            found = self._next(body)
            number = len(self.requests) + 1
            name = "" if isinstance(found, int) else f"msg_{number:03d}"
            self.requests.append(Received(body, name))
        if isinstance(found, int):
            return name, found
        named = [
            block | {"id": f"toolu_{number:03d}_{place}"} if block["type"] == "tool_use" else block
            for place, block in enumerate(found)
        ]
        return name, named

    def claimed(self, name: str) -> int:
        """The size that the answer claims its request has, in tokens."""
        return self._tokens.get(int(name.removeprefix("msg_")), 100)

    def _next(self, body: dict[str, Any]) -> Answer:
        first = json.dumps([turn for turn in body["messages"] if turn["role"] == "user"][:1])
        for word, answers in self.script.items():
            if answers and (word in first):
                last = word == "" and len(answers) == 1
                return answers[0] if last else answers.pop(0)
        return [text("Nothing more to say.")]


def events(name: str, blocks: list[Block], model: str, tokens: int) -> Iterator[dict[str, Any]]:
    """The stream of one answer."""
    usage = {"input_tokens": tokens, "output_tokens": 1}
    message = {"id": name, "type": "message", "role": "assistant", "model": model, "content": []}
    yield {
        "type": "message_start",
        "message": message | {"stop_reason": None, "stop_sequence": None, "usage": usage},
    }
    for index, block in enumerate(block for block in blocks if block not in (CUT, FULL)):
        yield from _block_events(index, block)
    if CUT in blocks:
        return
    reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    reason = "max_tokens" if FULL in blocks else reason
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 20},
    }
    yield {"type": "message_stop"}


def _block_events(index: int, block: Block) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        start = block | {"input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    elif block["type"] == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    else:
        start = {"type": "text", "text": ""}
        half = len(block["text"]) // 2
        deltas = [
            {"type": "text_delta", "text": part} for part in (block["text"][:half], block["text"][half:])
        ]
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not self.path.startswith("/v1/messages?") or not body.get("stream"):
                self._send(404, "application/json", b"{}")
                return
            name, answer = server.answer(body)
            if isinstance(answer, int):
                error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
                self._send(answer, "application/json", json.dumps(error).encode())
                return
            stream = events(name, answer, body["model"], server.claimed(name))
            lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in stream)
            self._send(200, "text/event-stream", "".join(lines).encode())

        def do_GET(self) -> None:
            self._send(404, "application/json", b"{}")

        def do_HEAD(self) -> None:
            self._send(200, "application/json", b"")

        def _send(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Requests are kept, not printed."""

    return Handler
