# SPDX-License-Identifier: Apache-2.0
"""Whatever a peer sends, it is refused, logged once, and the next step equals one process's."""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from integration.swarm.in_process import Recipe, Swarm, batch, local, swarm, training

from node0.errors import ConfigError
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import TrainStep
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.reports import MOST, Reports
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.server.host.compute import Priority
from node0.server.host.links import PUSH
from node0.server.host.stage_host import CONTROL
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.transport.frames import MAGIC, MAX_HEADER, PROTOCOL, Frame, encode
from node0.swarm.transport.stream import Stream

pytestmark = pytest.mark.integration

RECIPE = Recipe(num_stages=2)
HOST_SECONDS = 4.0

Attack = Callable[[Stream], Awaitable[None]]


@dataclass(slots=True)
class Beside:
    """A swarm, and the same model in one process, at the same step."""

    swarm: Swarm
    one: LocalPipeline
    directory: Path
    step: int = 0

    def go_on(self) -> None:
        """Make a step in both."""
        given = TrainStep(self.step, 1e-3, seed=3)
        expected = self.one.train_step(batch(self.step), given)
        assert self.swarm.pipeline.train_step(batch(self.step), given) == expected
        self.step += 1


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    directory = tmp_path_factory.mktemp("n")
    with swarm(directory / "s", RECIPE, host_deadline=HOST_SECONDS) as many:
        yield Beside(many, local(RECIPE), directory)


@pytest.fixture
def stranger(beside: Beside) -> Iterator[Peer]:
    peer = Peer(PeerSettings(beside.directory / "x", initial_peers=beside.swarm.peers[0].addresses))
    yield peer
    peer.close()


def _raw(data: bytes) -> Attack:
    async def attack(stream: Stream) -> None:
        stream._writer.write(data)
        await stream._writer.drain()

    return attack


def _prefix(header: int, payload: int) -> bytes:
    return struct.pack(">4sIQI", MAGIC, header, payload, 0)


def _damaged() -> bytes:
    whole = bytearray(b"".join(encode(Frame("hello", {"client": "x"}, [torch.ones(9)]))))
    whole[-1] ^= 1
    return bytes(whole)


async def _nothing(stream: Stream) -> None:
    return None


ATTACKS: dict[str, tuple[Attack, str]] = {
    "random bytes": (_raw(bytes(range(7, 250)) * 5), "another protocol"),
    "a wrong checksum": (_raw(_damaged()), "wrong checksum"),
    "an oversized header": (_raw(_prefix(MAX_HEADER + 1, 0)), "oversized"),
    "a payload of 2 GiB": (_raw(_prefix(10, 1 << 31) + bytes(1000)), "oversized"),
    "no map": (_raw(b"".join(encode(Frame("x")))[:-1] + b"\xc1"), "wrong checksum"),
    "an unknown kind": (_raw(b"".join(encode(Frame("destroy")))), "destroy"),
    "a line of a log": (_raw(b"".join(encode(Frame("x\nTraining loss: 1.0")))), "'x\\nTraining loss: 1.0'"),
    "a microbatch that is no number": (
        _raw(b"".join(encode(Frame("score", {"mb": float("inf")})))),
        "is no number",
    ),
    "half a frame": (_raw(b"".join(encode(Frame("score", {"n": "x" * 40})))[:-9]), "no frame came"),
    "a frame and a half": (_raw((b"".join(encode(Frame("score"))) * 2)[:-9]), "middle of a frame"),
    "nothing": (_nothing, "no frame came"),
}


@pytest.mark.parametrize("name", [CONTROL, PUSH])
@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused_and_logged_once(
    attack: str, name: str, beside: Beside, stranger: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    act, why = ATTACKS[attack]
    caplog.set_level(logging.WARNING)

    async def attacks() -> None:
        target = beside.swarm.peers[0].peer_id
        streams = []
        for _ in range(3):
            # Each at once: a stream that nobody has used is closed after a while.
            streams.append(await stranger.open(target, name))
            await act(streams[-1])
        for stream in streams:
            while (frame := await stream.receive()) is not None:
                assert frame.kind in ("error", "failed")
            stream.close()

    stranger.run(attacks(), timeout=20.0)

    beside.go_on()
    lines = [line for line in caplog.messages if stranger.peer_id in line]
    assert len(lines) == 1
    assert why in lines[0] and "\n" not in lines[0]


def test_a_request_that_makes_no_sense_is_answered(beside: Beside, stranger: Peer) -> None:
    requests = [
        Frame("begin", {"attempt": 1}),
        Frame("reset", {"training": 7}),
        Frame("neighbours", {"addresses": [1]}),
        Frame("load", {"sha256": "0"}, (), b"junk"),
        Frame("open", {"session": ["a"], "max_length": 5}),
        Frame("open", {"session": "a", "max_length": 10**15, "adapter": True}),
        Frame("open", {"session": "a", "max_length": -4, "adapter": True}),
        Frame("hello", {"client": ["a"]}),
        Frame("hello"),
    ]

    async def ask() -> list[Frame | None]:
        stream = await stranger.open(beside.swarm.peers[0].peer_id, CONTROL)
        replies = []
        for number, request in enumerate(requests):
            await stream.send(Frame(request.kind, {**request.fields, "id": number}, (), request.blob))
            replies.append(await stream.receive())
        stream.close()
        return replies

    replies = stranger.run(ask(), timeout=20.0)

    assert [(reply.kind, reply["id"]) for reply in replies if reply] == [("error", n) for n in range(9)]
    assert not any("\n" in reply["text"] for reply in replies if reply)
    beside.go_on()


def test_who_does_not_lead_changes_nothing_and_has_one_name(beside: Beside, stranger: Peer) -> None:
    host = beside.swarm.hosts[0]
    requests = [Frame("hello", {"client": f"name-{number}"}) for number in range(40)]
    elsewhere = {beside.swarm.peers[1].peer_id: ["/ip4/127.0.0.1/tcp/1"]}
    requests.append(Frame("neighbours", {"addresses": elsewhere}))

    async def ask() -> Frame | None:
        stream = await stranger.open(host.peer.peer_id, CONTROL)
        for number, request in enumerate(requests):
            await stream.send(Frame(request.kind, {**request.fields, "id": number}))
            reply = await stream.receive()
        assert [name for name in host.stage.clients if name.startswith("name-")] == ["name-39"]
        stream.close()
        return reply

    reply = stranger.run(ask(), timeout=20.0)

    assert reply is not None
    assert reply.kind == "error"
    assert "another trainer leads" in reply["text"]
    beside.go_on()


def test_who_may_talk_may_not_therefore_train(beside: Beside, stranger: Peer) -> None:
    host, trainer = beside.swarm.hosts[0], beside.swarm.peers[-1]
    everybody = host.spec
    host.stage.spec = replace(everybody, leaders=frozenset([trainer.peer_id]))

    async def ask() -> list[Frame | None]:
        stream = await stranger.open(host.peer.peer_id, CONTROL)
        replies = []
        for number, lead in enumerate([True, False]):
            await stream.send(Frame("hello", {"client": "x", "lead": lead, "id": number}))
            replies.append(await stream.receive())
        stream.close()
        return replies

    try:
        first, second = stranger.run(ask(), timeout=20.0)
        beside.go_on()
    finally:
        host.stage.spec = everybody

    assert first is not None and second is not None
    assert (first.kind, second.kind) == ("error", "reply")
    assert f"peer {stranger.peer_id} may not train here" in first["text"]


def test_frames_that_make_no_sense_move_nothing(beside: Beside, stranger: Peer) -> None:
    pushed = [
        Frame("activation", {"attempt": "x", "mb": 0}, [torch.ones(1, 1, 64)]),
        Frame("gradient", {"attempt": "x", "mb": 0}, [torch.ones(1)]),
        Frame("activation", {"mb": 1}),
        Frame("decode", {"session": ["x"], "turn": "y"}),
        Frame("decode", {}),
        Frame("score", {"adapter": 1, "client": ["x"], "route": 3}),
    ]

    async def push() -> None:
        stream = await stranger.open(beside.swarm.peers[1].peer_id, PUSH)
        for frame in pushed:
            await stream.send(frame)
        stream.close()

    stranger.run(push(), timeout=20.0)

    beside.go_on()


def test_a_stage_is_not_sent_to_strangers(beside: Beside, stranger: Peer) -> None:
    host = beside.swarm.hosts[0]
    ids, positions = torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 4, dtype=torch.int32)

    async def ask() -> list[Frame | None]:
        stream = await stranger.open(host.peer.peer_id, CONTROL)
        await stream.send(Frame("hello", {"client": "x", "id": 0}))
        replies = [await stream.receive()]
        for number in range(5):
            fields = {"request": str(number), "client": "x", "adapter": True, "route": [stranger.peer_id]}
            await stream.send(Frame("score", fields, [ids, positions, positions]))
            replies.append(await stream.receive())
        stream.close()
        return replies

    replies = stranger.run(ask(), timeout=20.0)

    refused = [reply for reply in replies[1:] if reply is not None and reply.kind == "failed"]
    assert [reply["request"] for reply in refused] == list("01234")
    assert all("is no neighbour" in reply["text"] for reply in refused)
    beside.go_on()


def test_one_peer_cannot_take_all_streams(
    beside: Beside, stranger: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    used = Frame("activation", {"attempt": "x", "mb": 0}, [torch.ones(1)])

    async def attack() -> None:
        streams = []
        for _ in range(70):
            streams.append(await stranger.open(beside.swarm.peers[0].peer_id, PUSH))
            with suppress(OSError):  # one too many
                # A stream on which nothing ever came is closed, however many there are.
                await streams[-1].send(used)
        ended = [asyncio.create_task(stream.receive()) for stream in streams]
        await asyncio.wait(ended, timeout=20.0, return_when=asyncio.FIRST_COMPLETED)
        assert any(task.done() for task in ended)
        assert not all(task.done() for task in ended)
        for stream in streams:
            stream.close()
        await asyncio.wait(ended)

    stranger.run(attack(), timeout=60.0)

    assert any("has 64 streams open" in line for line in caplog.messages)
    beside.go_on()


def test_a_flood_waits_at_the_stage_that_cannot_keep_up(beside: Beside, stranger: Peer) -> None:
    host = beside.swarm.hosts[0]
    frame = Frame("activation", {"attempt": "x", "mb": 0}, [torch.zeros(1 << 18)])
    release = asyncio.run_coroutine_threadsafe(asyncio.sleep(2.0), host.peer.loop)
    busy = host.compute.submit(0, release.result)  # type: ignore[arg-type]  # the most urgent

    async def flood() -> int:
        stream = await stranger.open(host.peer.peer_id, PUSH)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    await stream.send(frame)
                    sent += 1
        stream.close()
        return sent

    sent = stranger.run(flood(), timeout=20.0)

    # 64 wait for work; a few more are in the buffers between the two.
    assert sent > 0
    pushed = [work for work in host.compute._queue.queue if work[0] == Priority.FORWARD]
    assert len(pushed) == 64
    busy.result(20.0)
    beside.go_on()


def test_sessions_that_are_never_closed_end_with_their_client(beside: Beside, stranger: Peer) -> None:
    host = beside.swarm.hosts[0]
    assert host.stage.decoder is not None

    async def attack() -> list[Frame | None]:
        stream = await stranger.open(host.peer.peer_id, CONTROL)
        replies = []
        for number in range(20):
            fields = {"session": str(number), "max_length": 10**6, "adapter": True, "above": None}
            await stream.send(Frame("open", {**fields, "sampling": {}, "id": number}))
            replies.append(await stream.receive())
        stream.close()
        return replies

    replies = stranger.run(attack(), timeout=20.0)

    kinds = [reply.kind for reply in replies if reply]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"reply", "error"}
    beside.go_on()
    assert host.compute.submit(0, lambda: host.stage.decoder.nbytes).result(10.0) == 0  # type: ignore[arg-type,union-attr]  # a stage is held


def test_a_member_that_floods_its_trainer_is_refused_once(
    beside: Beside, stranger: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, reports = beside.swarm.peers[-1], Reports()
    ends = 0

    async def flood(stream: Stream) -> None:
        nonlocal ends
        while (frame := await stream.receive()) is not None:
            await stream.send(Frame("reply", {"id": frame["id"], "protocol": PROTOCOL}))
            with suppress(OSError):
                while True:
                    await stream.send(Frame("done", {"attempt": "x", "mb": 0}))
        ends += 1

    async def listen() -> None:
        spec = MemberSpec(stranger.peer_id, stranger_addresses, 0)
        member = HostConnection(trainer, spec, deadline=5.0, reports=reports)
        for attempt in range(1, 3):
            await member.connect("x", deadline=5.0)
            while member.is_alive or ends < attempt:
                await asyncio.sleep(0.02)

    stranger_addresses = stranger.addresses
    stranger.serve(CONTROL, flood)
    trainer.run(listen(), timeout=60.0)

    # Two losses are among what waits.
    assert reports._queue.qsize() <= MOST + 2
    assert len([line for line in caplog.messages if "not listened to any more: it reports more" in line]) == 1
    beside.go_on()


def test_of_two_trainers_the_second_leads_and_the_first_hears_why(beside: Beside, stranger: Peer) -> None:
    beside.go_on()

    async def find() -> list[MemberSpec]:
        return beside.swarm.specs

    settings = SwarmSettings(2, find, deadline=30.0, patience=30.0)
    second = SwarmPipeline(stranger, settings, training(RECIPE), max_grad_norm=1.0)
    try:
        with pytest.raises(ConfigError, match="another trainer leads this run now"):
            beside.swarm.pipeline.train_step(batch(0), TrainStep(0, 1e-3))

        expected = local(RECIPE).train_step(batch(0), TrainStep(0, 1e-3))
        assert second.train_step(batch(0), TrainStep(0, 1e-3)) == expected
    finally:
        second.close()
