# SPDX-License-Identifier: Apache-2.0
"""The gate of a peer's DHT: who may call it, and how much one caller may bring in a while.

It stands in for hivemind's client of the daemon when a DHT node registers what it serves.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from hivemind.p2p import P2P, P2PContext, PeerID
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, P2PDaemonError

from node0.errors import FrameRefused
from node0.swarm.transport.log_throttle import LogThrottle

logger = logging.getLogger(__name__)

BURST = 4 << 20
"Bytes that a peer may bring at once: all records of a large run."

RATE = 1 << 18
"Bytes a second in the long run."

CALL = 512
"Bytes that a call counts for at least."

MOST_REMEMBERED = 1024
"Callers whose share is remembered; only allowed peers are."

Handler = Callable[[Any, P2PContext], Awaitable[Any]]


class Allowance:
    """How much each caller may still bring; it fills up again with time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def takes(self, whom: str, nbytes: int) -> bool:
        """Whether so many bytes are within the caller's share; if so they are taken from it."""
        now = self._clock()
        left, since = self._left.pop(whom, (float(BURST), now))
        left = min(float(BURST), left + RATE * (now - since))
        is_within = nbytes <= left
        self._left[whom] = (left - nbytes if is_within else left), now
        if len(self._left) > MOST_REMEMBERED:
            self._left.popitem(last=False)
        return is_within


class DhtGate:
    """hivemind's client of a daemon, whose handlers hear allowed peers only. Lives on the peer's loop."""

    def __init__(self, p2p: P2P, allowed: Collection[str] | None) -> None:
        """`allowed`: peer ids that may call; None lets everybody in."""
        self._p2p, self._allowed = p2p, allowed
        self._allowance, self._throttle = Allowance(), LogThrottle()
        self._leaving: dict[str, asyncio.Task[None]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._p2p, name)

    async def add_protobuf_handler(self, name: str, handler: Handler, *args: Any, **kwargs: Any) -> None:
        """Let `handler` answer calls of this name, of whom it is for."""

        async def guarded(request: Any, context: P2PContext) -> Any:
            self._admit(context.remote_id, request.ByteSize())
            return await handler(request, context)

        await self._p2p.add_protobuf_handler(name, guarded, *args, **kwargs)

    def _admit(self, remote: PeerID, nbytes: int) -> None:
        whom = remote.to_base58()
        if self._allowed is not None and whom not in self._allowed:
            self._warn(whom, "is not on the allow-list; its calls of the DHT are refused")
            self._hang_up(remote, whom)
            raise FrameRefused("this peer is not on the allow-list")
        if not self._allowance.takes(whom, max(nbytes, CALL)):
            self._warn(whom, f"asks the DHT for more than {RATE >> 10} KiB a second; the rest is refused")
            raise FrameRefused(f"more than {RATE >> 10} KiB a second; call less often")

    def _hang_up(self, remote: PeerID, whom: str) -> None:
        """End the connection, and with it what else is under way on it."""
        if whom not in self._leaving:
            task = self._leaving[whom] = asyncio.create_task(self._disconnect(remote))
            task.add_done_callback(lambda _: self._leaving.pop(whom, None))

    async def _disconnect(self, remote: PeerID) -> None:
        try:
            await self._p2p._client.disconnect(remote)
        except (ControlFailure, P2PDaemonError, OSError, asyncio.IncompleteReadError) as error:
            logger.debug("peer %s stays connected: %s", remote, error)

    def _warn(self, whom: str, what: str) -> None:
        if self._throttle.is_due(whom):
            logger.warning("peer %s %s", whom, what)
