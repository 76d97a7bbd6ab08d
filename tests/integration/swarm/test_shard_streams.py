# SPDX-License-Identifier: Apache-2.0
"""Shards over real streams, from holders that are honest and from some that are not."""

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from node0.errors import SwarmTimeout
from node0.finetune.checkpoint.gatherer import CheckpointGatherer
from node0.finetune.checkpoint.shard_sources import Trust
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.peer.shard_stream import CHUNK, SHARD, pull_shard, serve_shards
from node0.swarm.records.shards import Announced, Announcement, announcement_key, sign_announcement
from node0.swarm.run.identity import Identity, make_identity
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import Stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

RUN, STAGE, BASE = "harbor", "solo-0", "b" * 64
DATA = os.urandom(2 * CHUNK + 77)
SHA = hashlib.sha256(DATA).hexdigest()
STALL = 1.5

Handler = Callable[[Stream], Awaitable[None]]


@dataclass
class Net:
    """A leader, an honest holder, a holder that does what a test says, and a peer that nobody allows."""

    leader: Peer
    honest: Peer
    hostile: Peer
    stranger: Peer
    keys: dict[str, Identity]
    behaviour: Handler | None = None
    asked: int = 0

    async def misbehave(self, stream: Stream) -> None:
        await stream.receive()
        self.asked += 1
        assert self.behaviour is not None
        with suppress(OSError):
            await self.behaviour(stream)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    directory = tmp_path_factory.mktemp("n")
    names = ("leader", "honest", "hostile", "stranger")
    keys = {name: make_identity(directory / f"{name}.key") for name in names}
    allowed = frozenset(keys[name].peer_id for name in names if name != "stranger")
    peers: dict[str, Peer] = {}
    with ExitStack() as stack:
        for name in names:
            settings = PeerSettings(
                directory / name,
                directory / f"{name}.key",
                initial_peers=peers["leader"].addresses if peers else (),
                allowed=allowed,
            )
            peers[name] = Peer(settings)
            stack.callback(peers[name].close)
        made = Net(**peers, keys=keys)
        (directory / "data").write_bytes(DATA)
        serve_shards(made.honest, {SHA: directory / "data", "gone": directory / "gone"}.get)
        made.hostile.serve(SHARD, made.misbehave)
        yield made


@pytest.fixture
def step(request: pytest.FixtureRequest) -> int:
    """One of its own for each test: records stay in the DHT."""
    return int(hashlib.sha256(request.node.name.encode()).hexdigest()[:6], 16)


def announce(net: Net, name: str, step: int) -> Announced:
    peer: Peer = getattr(net, name)
    announcement = Announcement(
        run=RUN,
        stage=STAGE,
        step=step,
        sha256=SHA,
        bytes=len(DATA),
        base_digest=BASE,
        addresses=peer.addresses,
    )
    key, subkey, sealed = sign_announcement(announcement, net.keys[name])
    assert peer.store(key, subkey, sealed, seconds=60.0)
    return Announced(net.keys[name].peer_id, announcement, sealed)


def gatherer(net: Net, directory: Path) -> CheckpointGatherer:
    allowed = frozenset(net.keys[name].peer_id for name in ("honest", "hostile"))
    return CheckpointGatherer(directory, trust=Trust(allowed, BASE), stall=STALL)


async def sends_more(stream: Stream) -> None:
    await stream.send(Frame("shard", {"bytes": len(DATA)}))
    for _ in range(4):
        await stream.send(Frame("chunk", {}, (), DATA[:CHUNK]))


async def sends_a_huge_frame(stream: Stream) -> None:
    await stream.send(Frame("shard", {"bytes": len(DATA)}))
    await stream.send(Frame("chunk", {}, (), bytes(CHUNK + 1)))


async def sends_wrong_bytes(stream: Stream) -> None:
    await stream.send(Frame("shard", {"bytes": len(DATA)}))
    for start in range(0, len(DATA), CHUNK):
        await stream.send(Frame("chunk", {}, (), bytes(len(DATA[start : start + CHUNK]))))


async def has_another_size(stream: Stream) -> None:
    await stream.send(Frame("shard", {"bytes": 5}))
    await stream.send(Frame("chunk", {}, (), b"12345"))


async def sends_empty_chunks(stream: Stream) -> None:
    await stream.send(Frame("shard", {"bytes": len(DATA)}))
    while True:
        await stream.send(Frame("chunk"))


async def sends_other_frames(stream: Stream) -> None:
    await stream.send(Frame("shard", {}))


async def sends_junk(stream: Stream) -> None:
    stream._writer.write(os.urandom(1 << 12))
    await stream._writer.drain()


async def stalls(stream: Stream) -> None:
    await stream.send(Frame("shard", {"bytes": len(DATA)}))
    await stream.send(Frame("chunk", {}, (), DATA[:CHUNK]))
    await stream.receive()


async def closes_in_the_middle(stream: Stream) -> None:
    await stream.send(Frame("shard", {"bytes": len(DATA)}))
    await stream.send(Frame("chunk", {}, (), DATA[:CHUNK]))


async def closes_at_once(stream: Stream) -> None:
    stream.close()


ALL: list[Handler] = [
    sends_more,
    sends_a_huge_frame,
    sends_wrong_bytes,
    has_another_size,
    sends_empty_chunks,
    sends_other_frames,
    sends_junk,
    stalls,
    closes_in_the_middle,
    closes_at_once,
]


@pytest.mark.parametrize("behaviour", ALL, ids=lambda handler: handler.__name__)
def test_a_bad_holder_gives_nothing_and_hinders_nothing(
    net: Net, tmp_path: Path, step: int, behaviour: Handler
) -> None:
    net.behaviour, net.asked = behaviour, 0
    announce(net, "hostile", step)
    alone = gatherer(net, tmp_path / "g")

    assert alone.gather_all_shards(net.leader, RUN, step, [STAGE], 4.0) is None
    while not net.asked:  # a busy machine: not even a stream was open in time
        assert alone.gather_all_shards(net.leader, RUN, step, [STAGE], 4.0) is None
    announce(net, "honest", step)
    found = alone.gather_all_shards(net.leader, RUN, step, [STAGE], 30.0)

    assert found is not None
    assert found[STAGE].read_bytes() == DATA
    assert [path.name for path in (tmp_path / "g" / "shards").iterdir()] == [found[STAGE].name]


def test_a_stranger_gets_no_shard(net: Net, step: int) -> None:
    source = announce(net, "honest", step)

    assert b"".join(pull_shard(net.leader, source, 5, stall=20.0)) == DATA[5:]
    with pytest.raises(SwarmTimeout, match="closed the stream"):
        list(pull_shard(net.stranger, source, 0, stall=60.0))


def test_an_announcement_of_a_stranger_does_not_count(net: Net, tmp_path: Path, step: int) -> None:
    announced = announce(net, "stranger", step)

    assert gatherer(net, tmp_path).gather_all_shards(net.leader, RUN, step, [STAGE], 0.5) is None
    key = announced.announcement.key
    assert announced.sealed in net.stranger.get(key).values(), "the stranger keeps it itself"
    assert net.leader.get(key) == {}, "and no member hears of it"


def test_nobody_writes_over_the_announcement_of_another(net: Net, tmp_path: Path, step: int) -> None:
    announced = announce(net, "honest", step)
    key, subkey, _ = sign_announcement(announced.announcement, net.keys["honest"])
    _, _, forged = sign_announcement(announced.announcement, net.keys["stranger"])
    other = announced.announcement.model_copy(update={"step": step + 1})
    _, _, replayed = sign_announcement(other, net.keys["honest"])

    for writer in (net.stranger, net.hostile):
        for value in (forged, replayed, b"junk"):
            writer.store(key, subkey, value, seconds=600.0)

    assert net.leader.get(key)[subkey] == announced.sealed
    assert gatherer(net, tmp_path).gather_all_shards(net.leader, RUN, step, [STAGE], 30.0) is not None


def test_nobody_hides_the_announcements_of_others(net: Net, tmp_path: Path, step: int) -> None:
    key = announcement_key(RUN, step, STAGE)
    with closing(Peer(PeerSettings(tmp_path / "t", initial_peers=net.leader.addresses))) as thief:
        thief._dht.node.protocol.record_validator = None
        # The plain value is the last, and later than what it is to hide.
        for subkey, value in [("y", b"junk"), (None, "all")]:
            thief.store(key, subkey, value, seconds=48 * 3600.0)

        announced = announce(net, "honest", step)

        assert announced.sealed in net.leader.get(key).values()
        assert gatherer(net, tmp_path).gather_all_shards(net.leader, RUN, step, [STAGE], 30.0) is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"sha256": "gone", "offset": 0},
        {"sha256": "../../etc/passwd", "offset": 0},
        {"sha256": 5, "offset": 0},
        {"sha256": [SHA], "offset": 0},
        {"sha256": SHA, "offset": -1},
        {"sha256": SHA, "offset": "0"},
        {"sha256": SHA},
    ],
    ids=["unknown", "path", "number", "list", "before the start", "text", "no offset"],
)
def test_a_request_for_what_is_not_offered_is_answered(net: Net, fields: dict[str, object]) -> None:
    async def ask() -> Frame | None:
        stream = await net.leader.open(net.honest.peer_id, SHARD)
        try:
            await stream.send(Frame("fetch", fields))
            return await stream.receive()
        finally:
            stream.close()

    found = net.leader.run(ask(), timeout=20.0)

    assert found is None or found.kind == "absent"
