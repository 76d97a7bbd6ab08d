# SPDX-License-Identifier: Apache-2.0
"""A stage at a peer: frames come in on streams, are worked on by one thread, and results go out.

Two kinds of streams: a trainer or a generator opens `node0.control/1` and gets replies and reports on
it; other stages open `node0.push/1` and get nothing back. Of several trainers the last one leads.
"""

import asyncio
import logging
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from node0.errors import FrameRefused, RetriableError
from node0.models.base_model import BaseModelDir
from node0.server.host.backpressure import Intake
from node0.server.host.client import Client
from node0.server.host.compute import ComputeThread, Priority, failure
from node0.server.host.decoding import Decoder
from node0.server.host.links import PUSH, Links
from node0.server.host.operations import OPERATIONS
from node0.server.host.shard_store import ShardStore
from node0.server.host.stage_spec import StagePlace, StageTraining
from node0.server.host.worker import StageWorker
from node0.server.module_collab import ModuleCollab
from node0.server.stage.executor import StageExecutor
from node0.swarm.peer.peer import Peer
from node0.swarm.transport.codec import Codec
from node0.swarm.transport.frames import PROTOCOL, Frame
from node0.swarm.transport.log_throttle import LogThrottle
from node0.swarm.transport.quoting import quoted
from node0.swarm.transport.stream import Stream

logger = logging.getLogger(__name__)

CONTROL = "node0.control/1"

_PRIORITY = {"gradient": Priority.BACKWARD, "preference": Priority.BACKWARD, "decode": Priority.DECODE}
_PUSHED = ("activation", "gradient", "decode", "score")
_SENT = ("input", "labels", "preference", "decode", "score")
_UP = ("input", "activation", "decode", "score")
"What is passed on to the next stage."

LONGEST_TOLD = 500
"Characters of an error that a client is told."

FIRST_PAYLOAD = 1 << 20
"Bytes that a frame may bring to a stage without a model: then there are only small requests."


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a stage host is told when it starts."""

    name: str
    "`head-0`, `body-1`, ..., or `spare-0`."

    place: StagePlace | None
    "None for a spare, until a trainer gives it one."

    base: BaseModelDir | None
    device: str = "cpu"
    codec: Codec = "float32"
    deadline: float = 60.0
    "Seconds that a frame may take to a neighbour."

    cache_budget: int | None = 2 << 30
    "Bytes for the caches of all sessions; None is without limit."

    bead_id: str | None = None
    "The bead that asked for the run."

    leaders: frozenset[str] | None = None
    "Peer ids that may train here; None lets everybody who may talk."


@dataclass(slots=True)
class HostState:
    """What changes while a host runs. Touched on the compute thread only, once there is an executor."""

    place: StagePlace | None
    training: StageTraining | None = None
    "What the executor was made from."

    executor: ModuleCollab | None = None
    worker: StageWorker | None = None
    decoder: Decoder | None = None
    max_payload: int = FIRST_PAYLOAD
    leader: Client | None = None
    clients: dict[str, Client] = field(default_factory=dict)
    "By the name that each gave itself last."


class StageHost:
    """Serves one stage until `close`."""

    def __init__(self, peer: Peer, spec: HostSpec, *, shards: ShardStore | None = None) -> None:
        """`shards` is where checkpoints go; without it the host writes none."""
        self.peer, self.spec, self.shards = peer, spec, shards
        self.state = HostState(spec.place)
        self.compute = ComputeThread()
        self.links = Links(peer, codec=spec.codec, deadline=spec.deadline, lost=self._lost)
        self.started = time.time()
        self._throttle = LogThrottle()
        peer.serve(CONTROL, self._control)
        peer.serve(PUSH, self._pushed)

    def describe(self) -> dict[str, Any]:
        """What a trainer, `node0 swarm status` and `node0 doctor` want to know."""
        state = self.state
        worker, executor = state.worker, state.executor
        return {
            "protocol": PROTOCOL,
            "name": self.spec.name,
            "peer": self.peer.peer_id,
            "stage": None if state.place is None else state.place.index,
            "place": None if self.spec.place is None else self.spec.place.index,
            "base_digest": None if self.spec.base is None else self.spec.base.digest,
            "version": None if executor is None else executor.trained.version,
            "microbatches": 0 if worker is None else worker.microbatches,
            "tokens": 0 if worker is None else worker.tokens,
            "busy_seconds": round(self.compute.busy_seconds, 3),
            "sent_bytes": self.links.sent_bytes,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "up_seconds": round(time.time() - self.started, 1),
            "bead": self.spec.bead_id,
            "time": time.time(),
        }

    def close(self) -> None:
        """Stop serving and free everything. The peer goes on."""
        self.compute.close()
        self.peer.run(self.links.close(), timeout=10.0)

    async def _control(self, stream: Stream) -> None:
        client, intake = Client(stream, self.peer.loop, deadline=self.spec.deadline), Intake()
        sending = asyncio.create_task(client.drain())
        try:
            async for frame in self._frames(stream):
                if frame.kind in _SENT:
                    await self._submit(frame, client, intake)
                else:
                    await self._operate(frame, client)
        except OSError:
            logger.debug("peer %s does not read its replies any more", stream.remote)
        finally:
            sending.cancel()
            self.compute.submit(Priority.CONTROL, lambda: self._gone(client))

    async def _pushed(self, stream: Stream) -> None:
        intake = Intake()
        async for frame in self._frames(stream):
            if frame.kind not in _PUSHED:
                raise FrameRefused(f"no stage pushes a frame {quoted(frame.kind)}")
            await self._submit(frame, None, intake)

    async def _frames(self, stream: Stream) -> AsyncIterator[Frame]:
        """What comes until the stream ends. Whoever opens one has something to say at once."""
        silence = self.spec.deadline
        try:
            async with asyncio.timeout(silence):
                frame = await stream.receive(max_payload=self.state.max_payload, silence=silence)
        except TimeoutError:
            raise FrameRefused(f"no frame came on it for {silence:g} s") from None
        while frame is not None:
            yield frame
            frame = await stream.receive(max_payload=self.state.max_payload, silence=silence)

    async def _submit(self, frame: Frame, client: Client | None, intake: Intake) -> None:
        """Queue what a frame brings, when there is room; an error is reported to whoever waits for it."""
        order = frame.fields.get("mb", 0)
        if not isinstance(order, int):
            raise FrameRefused(f"microbatch {quoted(order)} is no number")
        await intake.room()
        if frame.kind in _UP:
            await self.links.waiting.room()
        intake.enter(frame.nbytes)
        priority = _PRIORITY.get(frame.kind, Priority.FORWARD)
        done = self.compute.submit(priority, lambda: self._handle(frame, client), order=order)
        done.add_done_callback(lambda future: self._done(frame, client, intake, failure(future)))

    def _handle(self, frame: Frame, client: Client | None) -> None:
        state = self.state
        if state.worker is None or state.decoder is None or state.executor is None:
            raise RetriableError(f"stage {self.spec.name} has no model yet; reset it first")
        if frame.kind == "decode":
            state.decoder.handle(frame)
        elif frame.kind == "score":
            self._score(state.executor, frame)
        elif client is None or client is state.leader:
            state.worker.handle(frame)

    def _score(self, executor: StageExecutor, frame: Frame) -> None:
        """Pass a batch on without a graph; at the tail tell its client the log probability of each label."""
        adapter = executor.adapter if frame["adapter"] else None
        x, positions, labels = frame.tensors
        if not executor.stage.has_head:
            hidden = executor.hidden(x, positions.long(), adapter=adapter)
            following, *rest = frame["route"]
            passed = Frame("score", {**frame.fields, "route": rest}, [hidden, positions, labels])
            self.links.push(following, passed)
            return
        logps = executor.score(x, positions.long(), labels.long(), adapter=adapter)
        client = self.state.clients.get(frame["client"])
        if client is not None:
            client.report(Frame("scores", {"request": frame["request"]}, [logps]))

    async def _operate(self, frame: Frame, client: Client) -> None:
        """Do what a request asks and reply; requests of one stream are done in order."""
        number = frame.fields.get("id")
        operation = OPERATIONS.get(frame.kind)
        if operation is None:
            raise FrameRefused(f"there is no request {quoted(frame.kind)}; run one version on all peers")
        work: Callable[[], Frame] = lambda: operation(self, frame, client)  # noqa: E731  # typed
        try:
            reply = await asyncio.wrap_future(self.compute.submit(Priority.CONTROL, work))
            answer = Frame("reply", {**reply.fields, "id": number}, reply.tensors, reply.blob)
        # Whatever a request asks for, it ends with an answer, and the stage goes on.
        except Exception as error:  # noqa: BLE001
            answer = Frame("error", {"id": number, **_told(error)})
        await client.reply(answer)

    def _done(self, frame: Frame, client: Client | None, intake: Intake, error: BaseException | None) -> None:
        """Make room, and report an error. Called on the compute thread."""
        with suppress(RuntimeError):
            self.peer.loop.call_soon_threadsafe(intake.leave, frame.nbytes)
        if error is None:
            return
        if self._throttle.is_due(f"{frame.kind} {type(error).__name__}"):
            logger.warning("stage %s failed on a %s frame: %s", self.spec.name, frame.kind, quoted(error))
        report = self._listener(frame, client)
        if report is not None:
            names = ("attempt", "session", "request")
            address = {name: said for name in names if isinstance(said := frame.fields.get(name), str)}
            report(Frame("failed", {**address, **_told(error)}))

    def _listener(self, frame: Frame, client: Client | None) -> Callable[[Frame], None] | None:
        """Whoever waits for what becomes of a frame."""
        state, found = self.state, client
        if frame.kind == "decode" and state.decoder is not None:
            report = state.decoder.reporter(frame.fields.get("session"))
            if report is not None:
                return report
        if frame.kind == "score" and isinstance(frame.fields.get("client"), str):
            found = state.clients.get(frame.fields["client"])
        attempt = None if state.worker is None else state.worker.attempt
        # Anybody may push: a frame of no attempt that runs is nobody's loss.
        if frame.kind in ("decode", *_SENT) or (attempt and frame.fields.get("attempt") == attempt):
            found = found or state.leader
        return None if found is None else found.report

    def _lost(self, remote: str, why: str) -> None:
        """A neighbour takes no frames. The trainer, who knows whether that matters, is told."""
        if self.state.leader is not None:
            self.state.leader.report(Frame("lost", {"peer": remote, "why": why}))

    def _gone(self, client: Client) -> None:
        state = self.state
        state.clients = {name: found for name, found in state.clients.items() if found is not client}
        if state.decoder is not None:
            state.decoder.close_all_of(client.report)
        if state.leader is client:
            state.leader = None
            if state.worker is not None:
                state.worker.abort()


def _told(error: BaseException) -> dict[str, Any]:
    text = " ".join(str(error).split())[:LONGEST_TOLD] or type(error).__name__
    return {"text": text, "retriable": isinstance(error, RetriableError)}
