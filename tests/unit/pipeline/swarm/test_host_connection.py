# SPDX-License-Identifier: Apache-2.0
import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from unit.pipeline.swarm.fake_hosts import FakeHost, FakePeer

from node0.errors import ConfigError, RetriableError, SwarmTimeout
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec, all_of
from node0.pipeline.swarm.reports import Reports
from node0.swarm.transport.frames import Frame


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    made = FakePeer(x=FakeHost())
    yield made
    made.close()


def _connection(peer: Any, peer_id: str = "x") -> HostConnection:
    return HostConnection(peer, MemberSpec(peer_id, stage=0), deadline=0.2, reports=Reports())


def test_a_connection_asks_and_hears_the_reply(peer: FakePeer) -> None:
    connection = _connection(peer)

    async def ask() -> Frame:
        await connection.connect("me", deadline=5.0)
        return await connection.request(Frame("abort", {"version": 0}), deadline=5.0)

    reply = peer.run(ask(), timeout=None)

    assert connection.is_alive and connection.peer_id == "x"
    assert reply["version"] == 0
    assert peer.hosts["x"].asked == {"hello": 1, "abort": 1}


def test_a_host_of_another_protocol_is_refused(peer: FakePeer) -> None:
    peer.hosts["x"].protocol = 99
    connection = _connection(peer)

    with pytest.raises(ConfigError, match="speaks protocol '99' and this program"):
        peer.run(connection.connect("me", deadline=5.0), timeout=None)
    assert not connection.is_alive and peer.streams["x"].is_closed


def test_nobody_there_is_worth_another_try(peer: FakePeer) -> None:
    with pytest.raises(SwarmTimeout, match="peer y cannot be reached"):
        peer.run(_connection(peer, "y").connect("me", deadline=5.0), timeout=None)


@pytest.mark.parametrize(("retriable", "error"), [(True, RetriableError), (False, ConfigError)])
def test_what_a_host_says_is_wrong_is_raised_as_it_says(
    peer: FakePeer, retriable: bool, error: type[Exception]
) -> None:
    peer.hosts["x"].refuses["reset"] = Frame("error", {"text": "no\nroom", "retriable": retriable})
    connection = _connection(peer)

    async def ask() -> None:
        await connection.connect("me", deadline=5.0)
        await connection.request(Frame("reset"), deadline=5.0)

    with pytest.raises(error, match=r"peer x says 'no\\nroom'") as caught:
        peer.run(ask(), timeout=None)
    assert type(caught.value) is error


def test_a_host_that_does_not_answer_is_lost_and_reported(peer: FakePeer) -> None:
    reports: Reports[HostConnection] = Reports()
    connection = HostConnection(peer, MemberSpec("x", stage=0), deadline=0.2, reports=reports)  # type: ignore[arg-type]  # a fake

    async def ask() -> None:
        await connection.connect("me", deadline=5.0)
        peer.hosts["x"].answer = lambda frame: []  # type: ignore[method-assign]  # silence
        await connection.request(Frame("state"), deadline=0.05)

    with pytest.raises(SwarmTimeout, match=r"peer x did not answer state within 0\.05 s"):
        peer.run(ask(), timeout=None)
    sender, frame = peer.run(reports.get(), timeout=None)
    assert (sender, frame) == (connection, Frame("gone", {"why": "it does not answer"}))
    with pytest.raises(SwarmTimeout, match="peer x is lost"):
        peer.run(connection.send(Frame("abort")), timeout=None)


def test_the_end_of_the_stream_ends_what_waits_for_a_reply(peer: FakePeer) -> None:
    connection = _connection(peer)

    async def ask() -> None:
        await connection.connect("me", deadline=5.0)
        peer.hosts["x"].answer = lambda frame: []  # type: ignore[method-assign]  # it dies before it answers
        asyncio.get_running_loop().call_later(0.02, peer.streams["x"].close)
        await connection.request(Frame("state"), deadline=5.0)

    with pytest.raises(SwarmTimeout, match="peer x is lost: it closed the stream"):
        peer.run(ask(), timeout=None)


def test_a_request_that_could_not_be_sent_leaves_no_error_that_nobody_reads(peer: FakePeer) -> None:
    connection, unread = _connection(peer), []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: unread.append(context))
        await connection.connect("me", deadline=5.0)
        peer.streams["x"].send = _broken  # type: ignore[method-assign]  # its host was killed
        await connection.request(Frame("state"), deadline=5.0)

    with pytest.raises(SwarmTimeout, match="peer x is lost: the stream broke"):
        peer.run(ask(), timeout=None)
    gc.collect()
    assert unread == []


async def _broken(frame: Frame) -> None:
    raise ConnectionResetError


def test_a_member_that_is_refused_is_not_dialled_again(peer: FakePeer) -> None:
    connection = _connection(peer)

    async def refuse() -> None:
        await connection.connect("me", deadline=5.0)
        connection.refuse("its gradients do not fit")
        await connection.connect("me", deadline=5.0)

    with pytest.raises(SwarmTimeout, match="peer x made no sense before; start another host"):
        peer.run(refuse(), timeout=None)
    assert peer.dialled["x"] == 1


def test_all_calls_end_before_the_first_error_is_raised() -> None:
    ended = []

    async def call(number: int) -> int:
        await asyncio.sleep(0.01 * number)
        ended.append(number)
        if number == 0:
            raise RetriableError("first")
        return number

    with pytest.raises(RetriableError, match="first"):
        asyncio.run(all_of([call(0), call(1), call(2)]))
    assert ended == [0, 1, 2]


def test_who_replies_nonsense_is_left_and_not_dialled_again(caplog: pytest.LogCaptureFixture) -> None:
    class Line:
        """A stream on which one reply comes."""

        def __init__(self) -> None:
            self.asked, self.is_closed = asyncio.Event(), False

        async def send(self, frame: Frame) -> None:
            self.asked.set()

        async def receive(self, *, max_payload: int) -> Frame:
            await self.asked.wait()
            return Frame("reply", {"id": 0, "protocol": ["\n"]})

        def close(self) -> None:
            self.is_closed = True

    line = Line()

    class Dialled:
        count = 0

        async def open(self, remote: str, name: str, addresses: object) -> Line:
            self.count += 1
            return line

    async def connect() -> Dialled:
        dialled: Any = Dialled()
        liar = HostConnection(dialled, MemberSpec("liar", stage=0), deadline=1.0, reports=Reports())
        with pytest.raises(SwarmTimeout, match="peer liar is lost: the protocol of a reply to hello"):
            await liar.connect("me", deadline=5.0)
        with pytest.raises(SwarmTimeout, match="peer liar made no sense before"):
            await liar.connect("me", deadline=5.0)
        return dialled  # type: ignore[no-any-return]  # `dialled` is Any

    caplog.set_level(logging.WARNING)
    dialled = asyncio.run(connect())

    assert (dialled.count, line.is_closed) == (1, True)
    assert len(caplog.messages) == 1
    assert "not listened to any more" in caplog.messages[0] and "\n" not in caplog.messages[0]
