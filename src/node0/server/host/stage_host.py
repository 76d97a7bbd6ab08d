# SPDX-License-Identifier: Apache-2.0
"""The stage host: frames come in on streams, one thread works on them, results go out.

Two kinds of streams: a trainer or a generator opens `node0.control/1` and gets replies and reports on
it; other stages open `node0.push/1` and get nothing back. Of several trainers the last one leads.
"""

import asyncio
import logging
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from node0.errors import FrameRefused, RetriableError
from node0.server.host.backpressure import Backpressure
from node0.server.host.client import Client
from node0.server.host.compute import ComputeThread, Priority, failure
from node0.server.host.hosted_stage import CLIENT_KINDS, HostedStage, HostSpec
from node0.server.host.links import PUSH, Links
from node0.server.host.operations import OPERATIONS
from node0.server.host.shard_store import ShardStore
from node0.server.host.stage_spec import StagePlace, StageTraining
from node0.swarm.peer.peer import Peer
from node0.swarm.transport.frames import PROTOCOL, Frame
from node0.swarm.transport.log_throttle import LogThrottle
from node0.swarm.transport.quoting import quoted
from node0.swarm.transport.stream import Stream

logger = logging.getLogger(__name__)

CONTROL = "node0.control/1"

_PRIORITY = {"gradient": Priority.BACKWARD, "preference": Priority.BACKWARD, "decode": Priority.DECODE}
_PUSHED = ("activation", "gradient", "decode", "score")
_UP = ("input", "activation", "decode", "score")
"What is passed on to the next stage."

EXPIRE_EVERY = 10.0
"Seconds between looks for sessions that nobody extends."

LONGEST_ERROR_TEXT = 500
"Characters of an error that a client is sent."


class StageHost:
    """Serves one stage until `close`."""

    def __init__(self, peer: Peer, spec: HostSpec, *, shards: ShardStore | None = None) -> None:
        """`shards` is where checkpoints go; without it the host writes none."""
        self.peer = peer
        self.compute = ComputeThread()
        self.links = Links(peer, codec=spec.codec, deadline=spec.deadline, lost=self._lost)
        self.stage = HostedStage(spec, self.links, shards=shards, describe=self.describe)
        self.started = time.time()
        self._throttle = LogThrottle()
        peer.serve(CONTROL, self._control)
        peer.serve(PUSH, self._pushed)
        self._expiring = asyncio.run_coroutine_threadsafe(self._expire(), peer.loop)

    @property
    def spec(self) -> HostSpec:
        """What it was told when it started."""
        return self.stage.spec

    def describe(self) -> dict[str, Any]:
        """What a trainer, `node0 swarm status` and `node0 doctor` want to know."""
        place, worker, executor = self.stage.place, self.stage.worker, self.stage.executor
        return {
            "protocol": PROTOCOL,
            "name": self.spec.name,
            "peer": self.peer.peer_id,
            "stage": None if place is None else place.index,
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

    def build(self, place: StagePlace, training: StageTraining) -> None:
        """Make the stage before a trainer asks for it."""
        self.compute.submit(Priority.CONTROL, lambda: self.stage.build(place, training)).result()

    def close(self) -> None:
        """Stop serving and free everything. The peer goes on."""
        self._expiring.cancel()
        self.compute.close()
        self.peer.run(self.links.close(), timeout=10.0)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY)
            self.compute.submit(Priority.CONTROL, self.stage.expire_sessions)

    async def _control(self, stream: Stream) -> None:
        client, pressure = Client(stream, self.peer.loop, deadline=self.spec.deadline), Backpressure()
        sending = asyncio.create_task(client.drain())
        try:
            async for frame in self._frames(stream):
                if frame.kind in CLIENT_KINDS:
                    await self._submit(frame, client, pressure)
                else:
                    await self._operate(frame, client)
        except OSError:
            logger.debug("peer %s does not read its replies any more", stream.remote)
        finally:
            sending.cancel()
            self.compute.submit(Priority.CONTROL, lambda: self.stage.leave(client))

    async def _pushed(self, stream: Stream) -> None:
        pressure = Backpressure()
        async for frame in self._frames(stream):
            if frame.kind not in _PUSHED:
                raise FrameRefused(f"no stage pushes a frame {quoted(frame.kind)}")
            await self._submit(frame, None, pressure)

    async def _frames(self, stream: Stream) -> AsyncIterator[Frame]:
        """What comes until the stream ends. Whoever opens one has something to say at once."""
        silence = self.spec.deadline
        try:
            async with asyncio.timeout(silence):
                frame = await stream.receive(max_payload=self.stage.max_payload, silence=silence)
        except TimeoutError:
            raise FrameRefused(f"no frame came on it for {silence:g} s") from None
        while frame is not None:
            yield frame
            frame = await stream.receive(max_payload=self.stage.max_payload, silence=silence)

    async def _submit(self, frame: Frame, client: Client | None, pressure: Backpressure) -> None:
        """Queue what a frame brings, when there is room; an error is reported to whoever waits for it."""
        order = frame.fields.get("mb", 0)
        if not isinstance(order, int):
            raise FrameRefused(f"microbatch {quoted(order)} is no number")
        await pressure.wait_for_room()
        if frame.kind in _UP:
            await self.links.waiting.wait_for_room()
        pressure.enter(frame.nbytes)
        priority = _PRIORITY.get(frame.kind, Priority.FORWARD)
        done = self.compute.submit(priority, lambda: self.stage.handle(frame, client), order=order)
        done.add_done_callback(lambda _: self._leave(frame, pressure))
        done.add_done_callback(lambda future: self._report(frame, client, failure(future)))

    async def _operate(self, frame: Frame, client: Client) -> None:
        """Do what a request asks and reply; requests of one stream are done in order."""
        number = frame.fields.get("id")
        operation = OPERATIONS.get(frame.kind)
        if operation is None:
            raise FrameRefused(f"there is no request {quoted(frame.kind)}; run one version on all peers")
        work: Callable[[], Frame] = lambda: operation(self.stage, frame, client)  # noqa: E731  # typed
        try:
            reply = await asyncio.wrap_future(self.compute.submit(Priority.CONTROL, work))
            answer = Frame("reply", {**reply.fields, "id": number}, reply.tensors, reply.blob)
        except Exception as error:  # noqa: BLE001  # every request ends with an answer, and the stage goes on
            answer = Frame("error", {"id": number, **error_payload(error)})
        await client.reply(answer)

    def _leave(self, frame: Frame, pressure: Backpressure) -> None:
        """Make room for another frame. Called on the compute thread, which may outlive the loop."""
        with suppress(RuntimeError):
            self.peer.loop.call_soon_threadsafe(pressure.leave, frame.nbytes)

    def _report(self, frame: Frame, client: Client | None, error: BaseException | None) -> None:
        """Tell whoever waits for a frame that it failed. Called on the compute thread."""
        if error is None:
            return
        if self._throttle.is_due(f"{frame.kind} {type(error).__name__}"):
            logger.warning("stage %s failed on a %s frame: %s", self.spec.name, frame.kind, quoted(error))
        report = self.stage.listener(frame, client)
        if report is not None:
            names = ("attempt", "session", "request")
            address = {name: said for name in names if isinstance(said := frame.fields.get(name), str)}
            report(Frame("failed", {**address, **error_payload(error)}))

    def _lost(self, remote: str, why: str) -> None:
        """A neighbour takes no frames. The trainer, who knows whether that matters, is told."""
        self.stage.tell_leader(Frame("lost", {"peer": remote, "why": why}))


def error_payload(error: BaseException) -> dict[str, Any]:
    """What a client is sent of an error: one line of text, and whether trying again may help."""
    text = " ".join(str(error).split())[:LONGEST_ERROR_TEXT] or type(error).__name__
    return {"text": text, "retriable": isinstance(error, RetriableError)}
