# SPDX-License-Identifier: Apache-2.0
"""A host without a network: requests are answered in order, errors go to whoever waits."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest
from hosted import TRAINING

from node0.errors import ConfigError, FrameRefused, RetriableError
from node0.server.host import stage_host
from node0.server.host.compute import Priority
from node0.server.host.hosted_stage import HostSpec
from node0.server.host.links import PUSH
from node0.server.host.stage_host import CONTROL, LONGEST_ERROR_TEXT, StageHost, error_payload
from node0.server.host.stage_spec import StagePlace
from node0.swarm.transport.frames import PROTOCOL, Frame


class FakePeer:
    """A loop on a thread, and who serves what on it."""

    peer_id = "here"

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.served: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def serve(self, protocol: str, handle: Callable[[Any], Awaitable[None]]) -> None:
        """Take a stream of this protocol."""
        self.served[protocol] = handle

    def run(self, work: Any, *, timeout: float) -> Any:
        """On the loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        """End the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20.0)
        self.loop.close()


class FakeStream:
    """What a client says, and what it is answered; it ends when it has no more to say."""

    remote = "trainer"

    def __init__(self, frames: list[Frame], *, replies: int) -> None:
        self._frames, self._wanted = list(frames), replies
        self.sent: list[Frame] = []
        self._answered = asyncio.Event()

    async def receive(self, **_: Any) -> Frame | None:
        """The next frame; after the last one, the end, when all is answered."""
        if self._frames:
            return self._frames.pop(0)
        if self._wanted:
            await asyncio.wait_for(self._answered.wait(), 20.0)
        return None

    async def send(self, frame: Frame, **_: Any) -> None:
        """Keep an answer."""
        self.sent.append(frame)
        if len(self.sent) >= self._wanted:
            self._answered.set()

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    made = FakePeer()
    yield made
    made.close()


@pytest.fixture
def host(peer: Any) -> Iterator[StageHost]:
    made = StageHost(peer, HostSpec("solo-0", StagePlace(0, 1), None))
    yield made
    made.close()


def talk(peer: FakePeer, *frames: Frame, replies: int, protocol: str = CONTROL) -> list[Frame]:
    """Send these on a stream of their own; what came back."""

    async def run() -> list[Frame]:
        stream = FakeStream(list(frames), replies=replies)
        await peer.served[protocol](stream)
        return stream.sent

    sent: list[Frame] = peer.run(run(), timeout=30.0)
    return sent


HELLO = Frame("hello", {"id": 1, "client": "me", "lead": True})
RESET = Frame("reset", {"id": 2, "training": asdict(TRAINING)})


def test_requests_are_answered_in_their_order(peer: FakePeer, host: StageHost) -> None:
    answers = talk(peer, HELLO, RESET, Frame("state", {"id": 3}), replies=3)

    assert [(answer.kind, answer["id"]) for answer in answers] == [("reply", 1), ("reply", 2), ("reply", 3)]
    assert (answers[0]["protocol"], answers[0]["peer"], answers[0]["version"]) == (PROTOCOL, "here", None)
    assert host.describe()["version"] == 0


def test_a_request_that_fails_is_answered_and_the_next_one_served(peer: FakePeer, host: StageHost) -> None:
    assert host.stage.executor is None

    answers = talk(
        peer, HELLO, Frame("state", {"id": 2}), Frame("hello", {"id": 3, "client": "x"}), replies=3
    )

    assert [answer.kind for answer in answers] == ["reply", "error", "reply"]
    assert answers[1]["retriable"] and "no model yet" in answers[1]["text"]


def test_work_that_fails_is_reported_with_what_it_belongs_to(peer: FakePeer, host: StageHost) -> None:
    work = Frame("input", {"attempt": "a", "mb": 0})

    answers = talk(peer, HELLO, work, replies=2)

    (failed,) = [answer for answer in answers if answer.kind == "failed"]
    assert (failed["attempt"], failed["retriable"]) == ("a", True)
    assert host.stage.worker is None


@pytest.mark.parametrize(
    ("protocol", "frame"),
    [
        (CONTROL, Frame("dance", {"id": 1})),
        (PUSH, Frame("input", {})),
        (PUSH, Frame("activation", {"mb": "x"})),
    ],
)
def test_what_no_peer_of_this_version_sends_ends_the_stream(
    peer: FakePeer, host: StageHost, protocol: str, frame: Frame
) -> None:
    with pytest.raises(FrameRefused):
        talk(peer, frame, replies=0, protocol=protocol)

    assert host.stage.leader is None


def test_a_leader_whose_stream_ends_leads_no_more(peer: FakePeer, host: StageHost) -> None:
    talk(peer, HELLO, RESET, replies=2)
    host.compute.close()

    assert (host.stage.leader, host.stage.clients) == (None, {})


def test_a_stage_can_be_built_before_a_trainer_asks(host: StageHost) -> None:
    host.build(StagePlace(0, 1), TRAINING)

    assert (host.describe()["stage"], host.describe()["version"]) == (0, 0)


def test_a_session_that_nobody_extends_is_freed(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_host, "EXPIRE_EVERY", 0.01)
    made = StageHost(peer, HostSpec("solo-0", StagePlace(0, 1), None, session_idle=0.0))
    try:
        made.build(StagePlace(0, 1), TRAINING)
        decoder = made.stage.decoder
        assert decoder is not None
        fields = {"session": "s", "max_length": 4, "adapter": True, "above": None, "sampling": {}}
        made.compute.submit(
            Priority.CONTROL, lambda: decoder.open(Frame("open", fields), lambda frame: None)
        ).result(10.0)

        until = time.monotonic() + 10.0
        while decoder.nbytes and time.monotonic() < until:
            time.sleep(0.01)
        assert decoder.nbytes == 0
    finally:
        made.close()


def test_an_error_is_sent_in_one_line_of_bounded_length() -> None:
    payload = error_payload(RetriableError("two\nlines  " + "x" * 1000))

    assert payload["text"].startswith("two lines xxx") and len(payload["text"]) == LONGEST_ERROR_TEXT
    assert payload["retriable"] and not error_payload(ConfigError("no"))["retriable"]
    assert error_payload(ValueError())["text"] == "ValueError"
