# SPDX-License-Identifier: Apache-2.0
"""Whoever has the observer's key sees how a run goes, and gets nothing of what is trained."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from integration.swarm.in_process import Recipe, batch, member, training

from node0.pipeline.protocol import TrainStep
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.observe import observing
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.server.host.stage_host import CONTROL
from node0.server.stage.state_file import state_digest
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.peer.shard_stream import SHARD
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import first_port, lay_out
from node0.swarm.run.run_file import key_file, read_run
from node0.swarm.run.swarm_run import SwarmRun
from node0.swarm.transport.frames import SMALL, Frame
from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration

MEMBER = "solo-0"


@dataclass
class Trained:
    """A run whose only stage has made a step and keeps a shard of it."""

    directory: Path
    trainer: Peer
    shard: str

    async def ask(self, peer: Peer, name: str, *frames: Frame) -> list[Frame | None]:
        """What the stage sends back for each frame; None where it closed the stream."""
        stage = read_run(self.directory).member(MEMBER)
        stream = await peer.open(stage.peer_id, name, [str(each) for each in stage.full_addresses])
        try:
            replies = []
            for frame in frames:
                await stream.send(frame)
                replies.append(await stream.receive(max_payload=1 << 24))
            return replies
        except OSError:
            return [None]
        finally:
            stream.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    directory = tmp_path_factory.mktemp("o") / "run"
    slots = lay_out(1, replicas={}, spares=0, hosts={}, start=first_port(str(directory)))
    create_run(directory, slots, common=SwarmRun(num_stages=1, local_mode=True), settings="")
    stage = read_run(directory).member(MEMBER)

    async def find() -> list[MemberSpec]:
        return [MemberSpec(stage.peer_id, [str(each) for each in stage.full_addresses], 0)]

    with ExitStack() as stack:
        stack.enter_context(member(directory, MEMBER))
        peer = Peer(PeerSettings(socket_directory(directory, "trainer"), key_file(directory, "trainer")))
        stack.callback(peer.close)
        pipeline = SwarmPipeline(
            peer, SwarmSettings(1, find), training(Recipe(num_stages=1)), max_grad_norm=1.0
        )
        stack.callback(pipeline.close)
        pipeline.train_step(batch(0), TrainStep(0, 1e-3))
        shards = pipeline.checkpoint(1, progress="{}")
        yield Trained(directory, peer, shards[MEMBER])


def test_an_observer_that_asks_for_the_trained_state_is_told_no(trained: Trained) -> None:
    hello, asked = Frame("hello", {"client": "x", "id": 0}), Frame("state", {"id": 1})

    with observing(trained.directory) as observer:
        told, refused = observer.run(trained.ask(observer, CONTROL, hello, asked), timeout=30.0)
    _, given = trained.trainer.run(trained.ask(trained.trainer, CONTROL, hello, asked), timeout=30.0)

    assert told is not None and told.kind == "reply" and told["version"] == 1
    assert refused is not None and refused.kind == "error" and refused.nbytes < SMALL
    assert "nor fetch what is trained" in refused["text"]
    assert given is not None and state_digest(given.blob) == given["sha256"]


def test_an_observer_that_knows_a_shards_digest_gets_no_byte_of_it(trained: Trained) -> None:
    fetch = Frame("fetch", {"sha256": trained.shard, "offset": 0})

    async def read(peer: Peer) -> bytes:
        stage = read_run(trained.directory).member(MEMBER)
        stream = await peer.open(stage.peer_id, SHARD, [str(each) for each in stage.full_addresses])
        data = b""
        try:
            await stream.send(fetch)
            size = None
            while (size is None or len(data) < size) and (frame := await stream.receive()) is not None:
                size = frame["bytes"] if frame.kind == "shard" else size
                data += frame.blob
        except OSError:
            return data
        finally:
            stream.close()
        return data

    with observing(trained.directory) as observer:
        stolen = observer.run(read(observer), timeout=30.0)
    fetched = trained.trainer.run(read(trained.trainer), timeout=30.0)

    assert stolen == b""
    assert hashlib.sha256(fetched).hexdigest() == trained.shard
