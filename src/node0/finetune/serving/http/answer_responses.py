# SPDX-License-Identifier: Apache-2.0
"""Responses that a leaving client cancels: whole ones, and streams of server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from node0.finetune.serving.gateway import Answer
from node0.finetune.serving.protocols.api_errors import RequestRefused

T = TypeVar("T")

EventBytes = Callable[[Mapping[str, Any]], bytes]
OnError = Callable[[Exception], bytes]
"What a stream that has begun says of an error."

LAST_SECONDS = 5.0
"How long a client that reads nothing may take for the end of a stream that failed."


class ClientGone(Exception):
    """The client closed its connection before it was answered."""


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when the client leaves.

    Raises:
        ClientGone: it left.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await asyncio.gather(working, watching, return_exceptions=True)


class EventStream(StreamingResponse):
    """Sends events as they come, and closes their source whatever happens to the client."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[Mapping[str, Any], None],
        answers: Sequence[Answer],
        *,
        encode: EventBytes,
        on_error: OnError,
        end: bytes = b"",
    ) -> None:
        super().__init__((), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._events = events
        self._answers = answers
        self._encode = encode
        self._on_error = on_error
        self._end = end
        self.deadline: float | None = None
        "When it must have ended, by the event loop's clock."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and cancel whatever is still computed afterwards."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await close_all(self._answers)

    async def stream_response(self, send: Send) -> None:
        """Send the head, each event, and the end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        limit = asyncio.timeout_at(self.deadline)
        try:
            async with limit, aclosing(self._events):
                async for event in self._events:
                    await _send(send, self._encode(event))
                await _send(send, self._end)
        except Exception as error:  # noqa: BLE001  # the status is sent: the stream itself must say it
            await close_all(self._answers)
            told = self._on_error(too_long() if limit.expired() else error)
            async with asyncio.timeout(LAST_SECONDS):
                await _send(send, told)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def too_long() -> RequestRefused:
    """What is told of a request whose time is over."""
    return RequestRefused("the answer took longer than this server allows; ask for less", status=504)


def compact_json(value: Any) -> str:
    """JSON in ASCII: a model may write half a UTF-16 pair into a call, which no UTF-8 can hold."""
    return json.dumps(value, separators=(",", ":"))


class WholeAnswer(Response):
    """A JSON document."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Its bytes."""
        return compact_json(content).encode()


async def close_all(answers: Iterable[Answer]) -> None:
    """Cancel the answers that are still computed."""
    for answer in answers:
        await answer.aclose()


def named_event(event: Mapping[str, Any]) -> bytes:
    """An event under its `type`, as Anthropic sends it."""
    return f"event: {event['type']}\ndata: {compact_json(event)}\n\n".encode()


def data_event(event: Mapping[str, Any]) -> bytes:
    """An event without a name, as OpenAI sends it."""
    return f"data: {compact_json(event)}\n\n".encode()


async def _send(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
