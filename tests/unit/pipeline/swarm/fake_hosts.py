# SPDX-License-Identifier: Apache-2.0
"""A peer whose streams lead to stage hosts of this process, which answer as real ones do."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any

import torch

from node0.errors import RetriableError, SwarmTimeout
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.retry_budget import RetryBudget
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.stage_calls import StageCalls
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.host.stage_spec import StageTraining
from node0.server.stage.state_file import state_digest
from node0.swarm.transport.frames import PROTOCOL, Frame

REFUSED = 13
"An id that no `CountingHost` takes."

TRAINING = StageTraining(base_digest="0", seed=0, lora=None, optimizer={})


class FakeHost:
    """A stage host: what it is asked is counted in `asked`, and its state is its version and `state`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.stage: int | None = None
        self.version, self.state, self.next_id = 0, b"fresh", 100
        self.refuses: dict[str, Frame] = {}
        self.protocol = PROTOCOL
        self.about: dict[str, Any] = {}
        "What it says of itself."

        self.scores: list[torch.Tensor] = []
        "What it answers first where it is asked for scores."

        self.is_finite = True
        "Whether its gradients are."

        self.kept: list[int] = []
        "How many tokens each turn kept."

    def answer(self, frame: Frame) -> list[Frame]:
        """The reply, and what it reports besides."""
        self.asked[frame.kind] += 1
        if frame.kind in self.refuses:
            return [self.refuses[frame.kind]]
        method = getattr(self, f"_{frame.kind}", None)
        return [Frame("reply", {"version": self.version})] if method is None else list(method(frame))

    def _hello(self, frame: Frame) -> Iterator[Frame]:
        yield Frame("reply", {"protocol": self.protocol, **self.about})

    def _reset(self, frame: Frame) -> Iterator[Frame]:
        self.stage, self.version = frame["place"]["index"], 0
        yield Frame("reply", {"names": [f"w{self.stage}"], "version": 0})

    def _state(self, frame: Frame) -> Iterator[Frame]:
        fields = {"version": self.version, "sha256": state_digest(self.state)}
        yield Frame("reply", fields, (), self.state)

    def _load(self, frame: Frame) -> Iterator[Frame]:
        self.state = frame.blob
        self.version = int(frame.blob) if frame.blob.isdigit() else self.version
        yield Frame("reply", {"version": self.version})

    def _shard(self, frame: Frame) -> Iterator[Frame]:
        yield Frame("reply", {"stage": f"s{self.stage}", "sha256": f"{self.stage}" * 3, "bytes": 1})

    def _input(self, frame: Frame) -> Iterator[Frame]:
        address = {"attempt": frame["attempt"], "mb": frame["mb"]}
        yield Frame("loss", {**address, "loss_sum": 3.0, "n_tokens": 2})
        yield Frame("done", address)

    def _prepare(self, frame: Frame) -> Iterator[Frame]:
        yield Frame("reply", {"squared_norm": 4.0, "finite": self.is_finite})

    def _apply(self, frame: Frame) -> Iterator[Frame]:
        self.version = frame["version"]
        self.state = b"%d" % self.version
        yield Frame("reply", {"version": self.version})

    def _decode(self, frame: Frame) -> Iterator[Frame]:
        self.kept.append(frame["keep"])
        self.next_id += 1
        yield Frame("token", {"session": frame["session"], "turn": frame["turn"], "token": self.next_id})

    def _score(self, frame: Frame) -> Iterator[Frame]:
        scores = self.scores.pop(0) if self.scores else torch.ones(frame.tensors[0].shape)
        yield Frame("scores", {"request": frame["request"]}, [scores])


class CountingHost(FakeHost):
    """Answers with the number of ids that it has of a sequence; has room for some sequences at a time."""

    def __init__(self, room: int = 100) -> None:
        super().__init__()
        self.room, self.says_early = room, False
        self.most = 1_000_000
        "Ids that a sequence may come to have."

        self.held: dict[str, int] = {}
        self.goes_on = threading.Event()
        self.goes_on.set()

    def _open(self, frame: Frame) -> Iterator[Frame]:
        if frame["max_length"] > self.most:
            yield Frame("error", {"text": "too long for all caches", "retriable": False})
            return
        if len(self.held) >= self.room:
            yield Frame("error", {"text": "caches are full", "retriable": True})
            return
        self.held[frame["session"]] = 0
        yield Frame("reply")

    def _close(self, frame: Frame) -> Iterator[Frame]:
        self.held.pop(frame["session"], None)
        yield Frame("reply")

    def _decode(self, frame: Frame) -> Iterator[Frame]:
        name, turn, ids = frame["session"], frame["turn"], frame.tensors[0][0].tolist()
        if REFUSED in ids:
            yield Frame("failed", {"session": name, "text": "no such id", "retriable": False})
            return
        assert not frame["keep"] or self.goes_on.wait(20)
        self.held[name] = frame["keep"] + len(ids)
        yield Frame(
            "token", {"session": name, "turn": 1 if self.says_early else turn, "token": self.held[name]}
        )


class FakeStream:
    """A control stream to one host."""

    def __init__(self, host: FakeHost) -> None:
        self.host, self.is_closed = host, False
        self.inbox: asyncio.Queue[Frame | None] = asyncio.Queue()

    async def send(self, frame: Frame) -> None:
        if self.is_closed:
            raise OSError("closed")
        for reply in self.host.answer(frame):
            if reply.kind not in ("reply", "error"):
                self.inbox.put_nowait(reply)
            elif "id" in frame.fields:
                fields = {**reply.fields, "id": frame["id"]}
                self.inbox.put_nowait(Frame(reply.kind, fields, reply.tensors, reply.blob))

    async def receive(self, *, max_payload: int) -> Frame | None:
        return await self.inbox.get()

    def close(self) -> None:
        self.is_closed = True
        self.inbox.put_nowait(None)


class FakePeer:
    """Reaches those of its hosts that are there."""

    peer_id = "me"
    fault: SwarmTimeout | None = None

    def __init__(self, **hosts: FakeHost) -> None:
        self.hosts, self.dialled = hosts, Counter[str]()
        self.streams: dict[str, FakeStream] = {}
        self.loop = asyncio.new_event_loop()

    async def open(self, remote: str, name: str, addresses: Sequence[str] = ()) -> FakeStream:
        self.dialled[remote] += 1
        if remote not in self.hosts:
            raise SwarmTimeout(f"peer {remote} cannot be reached for {name}: nobody is there")
        self.streams[remote] = FakeStream(self.hosts[remote])
        return self.streams[remote]

    def run(self, work: Coroutine[Any, Any, Any], *, timeout: float | None) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20.0))

    def lose(self, peer_id: str) -> None:
        """The host is gone, with its streams."""
        del self.hosts[peer_id]
        self.streams[peer_id].close()

    def close(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


def settings(*specs: MemberSpec, num_stages: int = 1, **changes: Any) -> SwarmSettings:
    """A run whose members are these."""

    async def find() -> Sequence[MemberSpec]:
        return specs

    return SwarmSettings(num_stages, find, **{"deadline": 5.0, "patience": 5.0, **changes})


class Stages:
    """What a pipeline is to its sessions: stages at fake hosts. Recovery starts lost ones again."""

    def __init__(
        self,
        peer: FakePeer,
        *specs: MemberSpec,
        new_host: Callable[[], FakeHost] = FakeHost,
        **changes: Any,
    ) -> None:
        given = settings(*specs, **changes)
        sync = StateSync(given, TRAINING)
        found: Any = peer
        self.peer, self.roster, self.recovered = peer, Roster(found, given, sync), 0
        self.stages = StageCalls(self.roster, given, sync)
        self.names, self._new_host = [spec.peer_id for spec in specs], new_host
        self.run(lambda: self.roster.recover(0, Cut()))

    def run(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """On the loop."""

        async def awaited() -> Any:
            return await call()

        return self.peer.run(awaited(), timeout=None)

    def retry_budget(self) -> RetryBudget:
        """A long one."""
        return RetryBudget(60.0)

    def recover(self, fault: RetriableError) -> None:
        """Go on with new hosts in place of the lost ones."""
        self.recovered += 1
        for name in self.names:
            self.peer.hosts.setdefault(name, self._new_host())
        self.run(lambda: self.roster.recover(0, Cut()))

    def close(self) -> None:
        """End all of it."""
        self.run(self.roster.close)
        self.peer.close()
