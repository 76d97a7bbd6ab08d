# SPDX-License-Identifier: Apache-2.0
"""uvicorn's HTTP/1.1, with a limit on how long a head may take and errors that both kinds of clients read."""

import asyncio
import http
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"From the first byte of a request, or from the connection, to the end of its head."


class StrictProtocol(H11Protocol):
    """One connection."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._awaiting_head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on; a head that has come is waited for no longer."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        self._stop_watching()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. Its path is not known, so the body has the fields of both APIs."""
        self._refuse(400, msg.rstrip("."))

    def on_response_complete(self) -> None:
        """Wait for the next head where it has begun; an idle connection has a longer time, by uvicorn."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._watch()

    def _should_upgrade(self) -> bool:
        """Never, and without uvicorn's advice in the log: RFC 9110, 7.8 lets a server pass over the wish."""
        return False

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._awaiting_head is None:
            self._awaiting_head = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop_watching(self) -> None:
        if self._awaiting_head is not None:
            self._awaiting_head.cancel()
            self._awaiting_head = None

    def _too_slow(self) -> None:
        self._refuse(408, f"the head of the request did not come within {self.head_seconds:.0f} s")

    def _refuse(self, status: int, message: str) -> None:
        self._stop_watching()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            fields = {"type": "invalid_request_error", "message": message, "param": None, "code": None}
            body = json.dumps({"type": "error", "error": fields}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            reason = http.HTTPStatus(status).phrase.encode()
            head = h11.Response(status_code=status, headers=headers, reason=reason)
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
