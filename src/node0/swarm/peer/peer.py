# SPDX-License-Identifier: Apache-2.0
"""A peer of the swarm: its identity, its streams, its part of the DHT. One thread, one daemon process.

hivemind's own `DHT` forks a process around the same node; here the node lives on this peer's event
loop, so that a stage is one process and its daemon.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from hivemind.dht.validation import RecordValidatorBase
from hivemind.p2p import P2P, PeerID
from hivemind.p2p.p2p_daemon_bindings.datastructures import StreamInfo
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, P2PDaemonError
from hivemind.utils.multiaddr import Multiaddr

from node0.errors import SwarmTimeout
from node0.swarm.peer.dht_node import GREET_SECONDS, DhtNode
from node0.swarm.peer.restart_limit import RestartLimit
from node0.swarm.peer.stream_gate import Handler, StreamGate
from node0.swarm.run.address import same_port
from node0.swarm.transport.connector import closed_on_failure
from node0.swarm.transport.daemon import START_SECONDS, daemon_end, start_daemon
from node0.swarm.transport.sockets import Claim
from node0.swarm.transport.stream import Stream

logger = logging.getLogger(__name__)

T = TypeVar("T")

RESTART_SECONDS = 6.0
"A daemon that ended is there again by then, or the peer is lost: ten seconds with what leaving takes."

LEAVE_SECONDS = 2.0
"A daemon that does not answer is left without a word."


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """How a peer shows itself to others."""

    socket_dir: Path
    identity_path: Path | None = None
    "None draws an identity that is gone with the process."

    host_maddrs: Sequence[str] = ("/ip4/127.0.0.1/tcp/0",)
    "Where it listens; port 0 lets the system choose."

    announce_maddrs: Sequence[str] = ()
    "How others reach it, where that differs."

    initial_peers: Sequence[str] = ()
    "Full addresses of peers that are in the swarm already."

    allowed: frozenset[str] | None = None
    "Peer ids that may open a stream or use the DHT here; None lets everybody in."

    authorizer: Any = None
    "hivemind's `AuthorizerBase` for the DHT, where the run has one."


class Peer:
    """Started by its constructor, ended by `close`. Methods may be called from any thread.

    A daemon that ends before that is started again, at the same address; streams that were open are broken.
    """

    def __init__(self, settings: PeerSettings, *, validators: Sequence[RecordValidatorBase] = ()) -> None:
        """Start the daemon, and join the swarm if any of `initial_peers` is there; see `join`.

        Raises:
            ConfigError: the socket directory is in use, or an address cannot be listened on.
        """
        self._settings, self._validators = settings, validators
        self.fault: SwarmTimeout | None = None
        "Why the peer is lost: its daemon ended, and could not be started again."

        self._on_fault: Callable[[], None] = lambda: None
        self._on_return: list[Callable[[], None]] = []
        self._limit, self._handlers = RestartLimit(), dict[str, Handler]()
        self._claim = Claim(settings.socket_dir)
        self._gate = StreamGate(settings.allowed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="node0-peer", daemon=True)
        self._thread.start()
        try:
            self._p2p, self._dht = self.run(self._start(), timeout=2 * START_SECONDS)
        except BaseException:
            self._stop_loop()
            self._claim.release()
            raise
        self._limit.allows()
        self.peer_id: str = self._p2p.peer_id.to_base58()
        self._watching = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        try:
            self._settings = replace(settings, host_maddrs=same_port(settings.host_maddrs, self.addresses))
            with suppress(SwarmTimeout):  # the machine is busy: whoever looks for records greets again
                self.join()
        except BaseException:  # nobody can close a peer that was never made
            self.close()
            raise

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop on which handlers and streams live."""
        return self._loop

    @property
    def addresses(self) -> list[str]:
        """Full addresses at which others reach this peer."""
        return [str(address) for address in self.run(self._p2p.get_visible_maddrs(latest=True), timeout=10.0)]

    def run(self, work: Coroutine[Any, Any, T], *, timeout: float | None) -> T:
        """Run a coroutine on the loop and wait for it.

        Raises:
            SwarmTimeout: it took longer than `timeout` seconds; it is cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except FutureTimeout:
            if future.done():
                raise
            future.cancel()
            raise SwarmTimeout(f"no answer from the swarm within {timeout} s") from None
        except BaseException:
            future.cancel()
            raise

    def serve(self, name: str, handler: Handler) -> None:
        """Let allowed peers open streams of this name. `FrameRefused` from the handler closes the stream."""
        self._handlers[name] = handler
        self.run(self._register(name, handler), timeout=10.0)

    def when_back(self, call: Callable[[], None]) -> None:
        """Have this called, on the loop, whenever the daemon was started again: what it kept is gone."""
        self._on_return.append(call)

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have this called, on the loop, when `fault` is set."""
        self._on_fault = call
        if self.fault is not None:
            call()

    async def open(self, remote: str, name: str, addresses: Sequence[str] = ()) -> Stream:
        """Open a stream to a peer, which is dialled at `addresses` when it is not connected yet.

        Raises:
            SwarmTimeout: it cannot be reached, or does not serve `name`.
        """
        try:
            peer = PeerID.from_base58(remote)
            with closed_on_failure():
                if addresses:
                    await self._p2p._client.connect(peer, [_without_peer(address) for address in addresses])
                _, reader, writer = await self._p2p.call_binary_stream_handler(peer, name)
        except (ControlFailure, P2PDaemonError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SwarmTimeout(f"peer {remote} cannot be reached for {name}: {reason}") from None
        return Stream(reader, writer, remote)

    def join(self) -> int:
        """Greet `initial_peers`, so that they and this peer share one DHT; how many answered.

        Peers of a run start in any order: whoever came too early calls this again.
        """
        return self.run(self.greet(), timeout=4 * GREET_SECONDS)

    async def greet(self) -> int:
        """`join`, on the loop."""
        return await self._dht.greet(self._settings.initial_peers)

    def store(self, key: str, subkey: Any, value: Any, *, seconds: float) -> bool:
        """Put a record into the DHT for so many seconds; whether any peer took it."""
        return self.run(self.put(key, subkey, value, seconds=seconds), timeout=30.0)

    async def put(self, key: str, subkey: Any, value: Any, *, seconds: float) -> bool:
        """`store`, on the loop."""
        return await self.put_until(key, subkey, value, until=time.time() + seconds)

    async def put_until(self, key: str, subkey: Any, value: Any, *, until: float) -> bool:
        """Put a record into the DHT that expires at this time; whether any peer took it."""
        await self._meet()
        return await self._dht.put(key, subkey, value, until=until)

    def get(self, key: str) -> Mapping[Any, Any]:
        """Records under a key by subkey; empty where there are none."""
        return self.run(self.look_up(key), timeout=30.0)

    async def look_up(self, key: str) -> Mapping[Any, Any]:
        """`get`, on the loop."""
        await self._meet()
        return await self._dht.look_up(key)

    def close(self) -> None:
        """Leave the swarm, end the daemon, remove the sockets."""
        if self._loop.is_closed():
            return
        try:
            self.run(self._leave(), timeout=10.0)
        finally:
            self._stop_loop()
            self._claim.release()

    async def _meet(self) -> None:
        """Greet again where the DHT node knows nobody: all were away, or too busy to answer in time."""
        if self._settings.initial_peers and self._dht.is_alone:
            await self.greet()

    async def _start(self) -> tuple[P2P, DhtNode]:
        settings = self._settings
        p2p = await start_daemon(
            settings.socket_dir,
            host_maddrs=settings.host_maddrs,
            announce_maddrs=settings.announce_maddrs,
            identity_path=settings.identity_path,
        )
        try:
            return p2p, await DhtNode.start(
                p2p, validators=self._validators, authorizer=settings.authorizer, allowed=settings.allowed
            )
        except BaseException:
            await p2p.shutdown()
            raise

    async def _register(self, name: str, handler: Handler) -> None:
        async def handle(
            info: StreamInfo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            stream = Stream(reader, writer, info.peer_id.to_base58())
            await self._gate.run(handler, stream, name=name)

        await self._p2p.add_binary_stream_handler(name, handle)

    async def _watch(self) -> None:
        """Start the daemon again whenever it ends, or else give the peer up."""
        while True:
            code = await daemon_end(self._p2p)
            logger.warning("the daemon of peer %s ended with code %d", self.peer_id, code)
            try:
                await self._start_again(code)
            except Exception as error:  # noqa: BLE001  # whatever it is, a peer without a daemon must say so
                reason = " ".join(str(error).split()) or f"no answer within {RESTART_SECONDS:g} s"
                self.fault = SwarmTimeout(f"the daemon of peer {self.peer_id} is lost: {reason}; start again")
                self._on_fault()
                return

    async def _start_again(self, code: int) -> None:
        """Put another daemon in the place of the one that ended.

        Raises:
            SwarmTimeout: it ended too often, or would be another peer.
        """
        await self._p2p.shutdown()
        if self._settings.identity_path is None:
            raise SwarmTimeout(f"it ended with code {code}, and this peer has no key to come back with")
        if not self._limit.allows():
            raise SwarmTimeout(f"it ended too often, the last time with code {code}")
        async with asyncio.timeout(RESTART_SECONDS):
            self._p2p, self._dht = await self._start()
            for name, handler in self._handlers.items():
                await self._register(name, handler)
        logger.warning("the daemon of peer %s runs again; its streams were broken", self.peer_id)
        await self.greet()
        for call in self._on_return:
            call()

    async def _leave(self) -> None:
        self._watching.cancel()
        if self.fault is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._dht.stop(), LEAVE_SECONDS)
        await self._p2p.shutdown()
        current = asyncio.current_task()
        rest = [task for task in asyncio.all_tasks() if task is not current]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()


def _without_peer(address: str) -> Multiaddr:
    return Multiaddr(address.split("/p2p/")[0])
