# SPDX-License-Identifier: Apache-2.0
"""A client's connection to one stage host: requests with deadlines, frames sent, reports received."""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from node0.errors import ConfigError, FrameRefused, RetriableError, SwarmTimeout
from node0.pipeline.swarm.replies import check_reply
from node0.pipeline.swarm.reports import Reports
from node0.server.host.stage_host import CONTROL
from node0.swarm.peer.peer import Peer
from node0.swarm.transport.frames import MAX_PAYLOAD, PROTOCOL, Frame
from node0.swarm.transport.log_throttle import LogThrottle
from node0.swarm.transport.quoting import quoted
from node0.swarm.transport.stream import Stream, time_for

logger = logging.getLogger(__name__)

SHUNNED = 600.0
"Seconds for which a member that replied what no stage replies is not dialled again."


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """Where a stage host is, and which stage it is for."""

    peer_id: str
    addresses: Sequence[str] = ()
    stage: int | None = None
    "None for a spare."


class HostConnection:
    """A connection to one stage host. Everything runs on the peer's loop."""

    def __init__(
        self,
        peer: Peer,
        spec: MemberSpec,
        *,
        deadline: float,
        reports: "Reports[HostConnection]",
        max_payload: int = MAX_PAYLOAD,
    ) -> None:
        """`deadline`: seconds for a small frame; `reports` gets what it reports, and `gone` at a loss."""
        self.spec, self.stage, self._deadline = spec, spec.stage, deadline
        self._peer, self._reports = peer, reports
        self._max_payload = max_payload
        self._stream: Stream | None = None
        self._is_greeted = False
        self._receiving: asyncio.Task[None] | None = None
        self._numbers, self._throttle = itertools.count(), LogThrottle()
        self._replies: dict[int, tuple[str, asyncio.Future[Frame]]] = {}
        self._shunned_until = 0.0
        self.has_model = False
        self.takes_part = False
        "Whether microbatches may be sent its way."

        self.is_fresh = False
        "Whether its weights are those of its seed, until it is given others."

        self.names: list[str] = []
        "Trained weights of its stage, by their names in the whole model."

        self.lost_since: float | None = time.monotonic()
        "None while it is connected."

    @property
    def peer_id(self) -> str:
        """The peer that it is connected to."""
        return self.spec.peer_id

    @property
    def is_alive(self) -> bool:
        """Whether it is connected."""
        return self.lost_since is None

    async def connect(self, client: str, *, deadline: float) -> None:
        """Open the stream, say hello, and lead the host from now on.

        Raises:
            SwarmTimeout: it cannot be reached, or was refused a while ago.
            ConfigError: it speaks another protocol, or refuses this client.
        """
        if time.monotonic() < self._shunned_until:
            raise SwarmTimeout(f"peer {self.peer_id} made no sense before; start another host")
        opening = self._peer.open(self.peer_id, CONTROL, self.spec.addresses)
        try:
            self._stream = await asyncio.wait_for(opening, deadline)
        except TimeoutError:
            raise SwarmTimeout(f"peer {self.peer_id} did not answer within {deadline:g} s") from None
        self.lost_since, self.has_model, self.takes_part = None, False, False
        self._is_greeted = False
        self._receiving = asyncio.create_task(self._receive(self._stream))
        try:
            reply = await self.request(Frame("hello", {"client": client, "lead": True}), deadline=deadline)
            if reply["protocol"] != PROTOCOL:
                raise ConfigError(
                    f"peer {self.peer_id} speaks protocol {quoted(reply['protocol'])} and this program "
                    f"{PROTOCOL}; "
                    "run one version on all peers"
                )
        except BaseException:
            self.close("it cannot be used")
            raise
        self._is_greeted = True

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        """Ask, and wait for the reply.

        Raises:
            SwarmTimeout: the host is lost or does not answer in time.
            RetriableError, ConfigError: what the host says is wrong.
        """
        number = next(self._numbers)
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        # Where sending fails nobody waits for the future any more, and its error is the same.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._replies[number] = frame.kind, future
        numbered = Frame(frame.kind, {**frame.fields, "id": number}, frame.tensors, frame.blob)
        try:
            async with asyncio.timeout(deadline):
                await self.send(numbered)
                reply = await future
        except TimeoutError:
            self.close("it does not answer")
            raise SwarmTimeout(
                f"peer {self.peer_id} did not answer {frame.kind} within {deadline:g} s"
            ) from None
        finally:
            self._replies.pop(number, None)
        if reply.kind == "error":
            error = RetriableError if reply["retriable"] else ConfigError
            raise error(f"peer {self.peer_id} says {quoted(reply['text'])}")
        return reply

    async def send(self, frame: Frame) -> None:
        """Send a frame that gets no reply.

        Raises:
            SwarmTimeout: the host is lost, or does not read.
        """
        if self._stream is None or not self.is_alive:
            raise SwarmTimeout(f"peer {self.peer_id} is lost")
        try:
            async with asyncio.timeout(time_for(frame.nbytes, self._deadline)):
                await self._stream.send(frame)
        except OSError as error:  # TimeoutError is one
            why = "it does not read" if isinstance(error, TimeoutError) else "the stream broke"
            self.close(why)
            raise SwarmTimeout(f"peer {self.peer_id} is lost: {why}") from None

    def close(self, why: str) -> None:
        """End the connection; whoever waits for a reply hears why."""
        if self._stream is None or not self.is_alive:
            return
        self.lost_since = time.monotonic()
        self._stream.close()
        if self._receiving is not None:
            self._receiving.cancel()
        for _, future in self._replies.values():
            if not future.done():
                future.set_exception(SwarmTimeout(f"peer {self.peer_id} is lost: {why}"))
        if self._is_greeted:
            self._reports.gone(self, why)

    def refuse(self, why: str) -> None:
        """Leave a member whose replies do not fit those of others, and do not come back to it soon."""
        self._shunned_until = time.monotonic() + SHUNNED
        self._tell(why)
        self.close(why)

    async def _receive(self, stream: Stream) -> None:
        why = "it closed the stream"
        try:
            while (frame := await stream.receive(max_payload=self._max_payload)) is not None:
                if frame.kind in ("reply", "error"):
                    self._answer(frame)
                else:
                    self._reports.put(self, frame)
        except FrameRefused as error:
            why = str(error)
            self._tell(why)
        with suppress(asyncio.CancelledError):
            self.close(why)

    def _answer(self, frame: Frame) -> None:
        number = frame["id"]
        kind, future = self._replies.get(number, ("", None)) if type(number) is int else ("", None)
        if future is None or future.done():
            return
        try:
            check_reply(kind, frame)
        except FrameRefused:
            self._shunned_until = time.monotonic() + SHUNNED
            raise
        future.set_result(frame)

    def _tell(self, why: str) -> None:
        if self._throttle.is_due(self.peer_id):
            logger.warning("peer %s is not listened to any more: %s", self.peer_id, why)


async def all_of(calls: Sequence[Awaitable[Any]]) -> list[Any]:
    """Wait for all, then raise the first error: none is left running."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)
