# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from node0.finetune.serving.http.answer_responses import (
    ClientGone,
    EventStream,
    WholeAnswer,
    data_event,
    named_event,
    unless_gone,
)

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/",
    "headers": [],
    "asgi": {"spec_version": "2.3"},
}


class Closable:
    closed = False

    async def aclose(self) -> None:
        self.closed = True


def sent_by(response: EventStream, *, leaves_after: int | None = None) -> list[bytes]:
    """The bodies that a response sends to a client that leaves after so many of them."""
    bodies: list[bytes] = []

    async def run() -> None:
        left = asyncio.Event()

        async def send(message: Message) -> None:
            bodies.append(message.get("body", b""))
            if leaves_after is not None and len(bodies) > leaves_after:
                left.set()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        await asyncio.wait_for(response(SCOPE, receive, send), 5)

    asyncio.run(run())
    return [body for body in bodies if body]


def stream(events: AsyncGenerator[dict[str, Any], None], answer: Closable, **options: Any) -> EventStream:
    told = {"encode": data_event, "on_error": lambda error: f"error {error}".encode(), **options}
    return EventStream(events, [answer], **told)  # type: ignore[list-item,arg-type]  # only `aclose` is asked


async def numbers(count: int, *, error: Exception | None = None) -> AsyncGenerator[dict[str, Any], None]:
    for number in range(count):
        yield {"n": number}
    if error is not None:
        raise error


def test_events_are_sent_as_they_come_and_the_end_after_them() -> None:
    answer = Closable()

    assert sent_by(stream(numbers(2), answer, end=b"END")) == [
        b'data: {"n":0}\n\n',
        b'data: {"n":1}\n\n',
        b"END",
    ]
    assert answer.closed


def test_an_error_in_the_middle_is_told_in_the_stream() -> None:
    answer = Closable()

    assert sent_by(stream(numbers(1, error=ValueError("torn")), answer, end=b"END"))[-1] == b"error torn"
    assert answer.closed


def test_a_client_that_leaves_ends_the_source_and_the_answer() -> None:
    answer, ended = Closable(), []

    async def endless() -> AsyncGenerator[dict[str, Any], None]:
        try:
            yield {"n": 0}
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    assert sent_by(stream(endless(), answer), leaves_after=1) == [b'data: {"n":0}\n\n']
    assert ended and answer.closed


def test_work_is_cancelled_when_the_client_leaves() -> None:
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def receive() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        asyncio.run(unless_gone(Request(SCOPE, receive), work()))
    assert cancelled


def test_work_that_ends_first_gives_its_result_or_its_error() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def work(*, error: bool) -> int:
        if error:
            raise KeyError("x")
        return 7

    async def both() -> int:
        with pytest.raises(KeyError):
            await unless_gone(Request(SCOPE, receive), work(error=True))
        return await unless_gone(Request(SCOPE, receive), work(error=False))

    assert asyncio.run(both()) == 7


def test_half_a_utf16_pair_that_a_model_wrote_can_be_sent() -> None:
    value = {"type": "x", "text": "a\ud83d"}

    assert json.loads(WholeAnswer(value).body) == value
    assert json.loads(data_event(value).removeprefix(b"data: ")) == value
    assert named_event(value).startswith(b"event: x\ndata: {")
