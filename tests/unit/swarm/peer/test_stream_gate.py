# SPDX-License-Identifier: Apache-2.0
import asyncio
from typing import Any

import pytest

from node0.errors import FrameRefused
from node0.swarm.peer import stream_gate
from node0.swarm.peer.stream_gate import StreamGate


class OneStream:
    """A stream from a remote; what matters is whether it was closed."""

    def __init__(self, remote: str) -> None:
        self.remote, self.is_closed = remote, False

    def close(self) -> None:
        self.is_closed = True


class Served:
    """A handler that counts and may fail."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.count = fault, 0

    async def __call__(self, stream: Any) -> None:
        self.count += 1
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault


def _run(gate: StreamGate, handler: Served, *remotes: str) -> list[OneStream]:
    streams: list[Any] = [OneStream(remote) for remote in remotes]

    async def run() -> None:
        await asyncio.gather(*(gate.run(handler, stream, name="node0.x/1") for stream in streams))

    asyncio.run(run())
    return streams


def test_only_who_is_allowed_is_served_and_each_stream_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served()

    streams = _run(StreamGate({"friend"}), served, "friend", "stranger", "friend")

    assert served.count == 2
    assert all(stream.is_closed for stream in streams)
    assert caplog.messages == ["peer stranger is not on the allow-list; refused its stream node0.x/1"]


def test_without_a_list_everybody_is_served() -> None:
    served = Served()

    _run(StreamGate(None), served, "a", "b")

    assert served.count == 2


def test_one_remote_has_a_bounded_number_of_streams_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_gate, "MOST_STREAMS", 2)
    gate, served = StreamGate(None), Served()

    _run(gate, served, *["greedy"] * 5, "calm")

    assert served.count == 3
    # A flood of refusals is one line.
    assert caplog.messages == ["peer greedy has 2 streams open; refused another node0.x/1"]
    _run(gate, served, "greedy")
    assert served.count == 4


def test_a_stream_that_breaks_the_protocol_is_closed_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    (stream,) = _run(StreamGate(None), Served(FrameRefused("no frame")), "x")

    assert stream.is_closed
    assert caplog.messages == ["peer x closed its stream node0.x/1: no frame"]


def test_a_handler_that_fails_ends_its_own_stream_alone(caplog: pytest.LogCaptureFixture) -> None:
    gate = StreamGate(None)

    (stream,) = _run(gate, Served(RuntimeError("a mistake")), "x")

    assert stream.is_closed
    assert "the stream node0.x/1 of peer x ended" in caplog.text and "a mistake" in caplog.text
