# SPDX-License-Identifier: Apache-2.0
"""A scripted model on loopback that speaks the protocol of whichever harness asks.

Anthropic's Messages, OpenAI's Responses and Gemini's generateContent, each as a stream. Answers are given in
order, as lists of blocks of Anthropic's form; HANG in one keeps the stream open until the harness leaves.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from integration.claude_code.model_server import Block
from integration.claude_code.model_server import events as messages_events

HANG: Block = {"type": "hang"}
FULL_WINDOW: Block = {"type": "full window"}
"Marks an answer whose request is said to have nearly filled the window."

Event = dict[str, Any]


class ScriptedModel:
    """Listens while it is entered.

    Attributes:
        bodies: What was received, in order.
        hanging: Set once an answer hangs.
    """

    def __init__(self, answers: list[list[Block]], *, window: int = 200_000) -> None:
        self._answers = list(answers)
        self.bodies: list[dict[str, Any]] = []
        self.hanging = threading.Event()
        self.closing = threading.Event()
        self.window = window
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"model": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, body: dict[str, Any]) -> tuple[int, list[Block]]:
        """The number of a request from 1, and the blocks of its answer, calls with ids."""
        with self._lock:
            self.bodies.append(body)
            number = len(self.bodies)
            blocks = self._answers.pop(0) if self._answers else [{"type": "text", "text": "Enough."}]
        return number, [
            block | {"id": f"call_{number:03d}_{place}"} if block["type"] == "tool_use" else block
            for place, block in enumerate(blocks)
        ]


def _messages(number: int, blocks: list[Block], model: str, tokens: int) -> Iterator[Event | None]:
    ended = HANG not in blocks
    spoken = [block for block in blocks if block["type"] in ("text", "tool_use")]
    for event in messages_events(f"msg_{number:03d}", spoken, model, tokens):
        if event["type"] in ("message_delta", "message_stop") and not ended:
            yield None
            return
        yield event


def _responses(number: int, blocks: list[Block], model: str, tokens: int) -> Iterator[Event | None]:
    name, output = f"resp_{number}", []
    yield {"type": "response.created", "response": {"id": name, "model": model, "output": []}}
    for place, block in enumerate(blocks):
        if block == HANG:
            yield None
            return
        if block["type"] == "text":
            item = {"type": "message", "role": "assistant", "id": f"m_{number}_{place}"}
            yield {"type": "response.output_item.added", "item": {**item, "content": []}}
            yield {"type": "response.output_text.delta", "delta": block["text"]}
            item["content"] = [{"type": "output_text", "text": block["text"], "annotations": []}]
        else:
            item = {"type": "function_call", "id": f"f_{number}_{place}", "call_id": block["id"]}
            item |= {"name": block["name"], "arguments": json.dumps(block["input"])}
        output.append(item)
        yield {"type": "response.output_item.done", "item": item}
    usage = {"input_tokens": tokens, "output_tokens": 20, "total_tokens": tokens + 20}
    yield {"type": "response.completed", "response": {"id": name, "output": output, "usage": usage}}


def _gemini(number: int, blocks: list[Block], model: str, tokens: int) -> Iterator[Event | None]:
    parts = [
        {"text": block["text"]}
        if block["type"] == "text"
        else {"functionCall": {"id": block["id"], "name": block["name"], "args": block["input"]}}
        for block in blocks
        if block != HANG
    ]
    candidate: Event = {"content": {"role": "model", "parts": parts}, "index": 0}
    if HANG in blocks:
        yield {"candidates": [candidate], "modelVersion": model}
        yield None
        return
    usage = {"promptTokenCount": tokens, "candidatesTokenCount": 20, "totalTokenCount": tokens + 20}
    finished = {**candidate, "finishReason": "STOP"}
    yield {
        "candidates": [finished],
        "modelVersion": model,
        "responseId": f"r{number}",
        "usageMetadata": usage,
    }


PROTOCOLS = {"/messages": _messages, "/responses": _responses, ":streamGenerateContent": _gemini}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: ScriptedModel

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or "{}")
        spoken = next((events for mark, events in PROTOCOLS.items() if mark in self.path), None)
        if spoken is None:
            self._refuse()
            return
        number, blocks = self.model.answer(body)
        tokens = self.model.window - 500 if FULL_WINDOW in blocks else 100
        said = [block for block in blocks if block != FULL_WINDOW]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self._stream(spoken(number, said, str(body.get("model", "m")), tokens))

    def _stream(self, events: Iterator[Event | None]) -> None:
        try:
            for event in events:
                if event is None:
                    self._hang()
                    return
                head = f"event: {event['type']}\n" if "type" in event else ""
                self.wfile.write(f"{head}data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
        except OSError:  # the harness has left
            return

    def _hang(self) -> None:
        self.model.hanging.set()
        while not self.model.closing.is_set():
            time.sleep(0.05)
            self.wfile.write(b": wait\n\n")
            self.wfile.flush()

    def do_GET(self) -> None:
        self._refuse()

    def _refuse(self) -> None:
        self.send_response(404)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Requests are kept, not printed."""
