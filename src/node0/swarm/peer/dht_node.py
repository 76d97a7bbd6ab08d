# SPDX-License-Identifier: Apache-2.0
"""A peer's DHT node: bootstraps, stores records and looks them up, on the peer's event loop."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hivemind.dht.node import DHTNode as HivemindNode
from hivemind.dht.validation import CompositeValidator, RecordValidatorBase
from hivemind.p2p import P2P, PeerID
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, P2PDaemonError
from hivemind.utils.multiaddr import Multiaddr

from node0.swarm.peer.dht_gate import DhtGate
from node0.swarm.peer.record_storage import NoStorage, RecordStorage
from node0.swarm.records.own_keys import owner_of_subkey
from node0.swarm.records.refusing import SubkeysOnly
from node0.swarm.records.shards import ShardsValidator
from node0.swarm.transport.connector import closed_on_failure

GREET_SECONDS = 5.0
"For a dial; for the look around that follows where somebody answered."


class DhtNode:
    """hivemind's node with the checks that every peer of ours makes, whatever run it belongs to."""

    def __init__(self, p2p: P2P, node: HivemindNode) -> None:
        self._p2p, self.node = p2p, node

    @classmethod
    async def start(
        cls,
        p2p: P2P,
        *,
        validators: Sequence[RecordValidatorBase],
        authorizer: Any | None,
        allowed: Collection[str] | None = None,
    ) -> "DhtNode":
        """A node behind a running daemon. `validators` check beside those for subkeys and shards.

        `allowed`: peer ids that may call it, and whose records it keeps beside its own; None: all.
        """
        node = await HivemindNode.create(
            p2p=DhtGate(p2p, allowed),
            record_validator=CompositeValidator([SubkeysOnly(), ShardsValidator(), *validators]),
            authorizer=authorizer,
            # A signed record is checked where it is stored; a cached one would be checked again.
            cache_locally=False,
            cache_on_store=False,
            cache_nearest=0,
        )
        own = p2p.peer_id.to_base58()

        def admits(subkey: Any) -> bool:
            owner = owner_of_subkey(subkey)
            return allowed is None or owner == own or owner in allowed

        node.protocol.storage, node.protocol.cache = RecordStorage(admits), NoStorage()
        return cls(p2p, node)

    @property
    def is_alone(self) -> bool:
        """Whether it knows no other node. One that does not answer a call in time is forgotten."""
        return not self.node.protocol.routing_table.uid_to_peer_id

    async def greet(self, addresses: Sequence[str]) -> int:
        """Make peers at full addresses part of this node's DHT; how many answered."""
        answered = sum(await asyncio.gather(*map(self._greet, addresses)))
        if answered:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.node.find_nearest_nodes([self.node.node_id]), GREET_SECONDS)
        return answered

    async def put(self, key: str, subkey: Any, value: Any, *, until: float) -> bool:
        """Put a record that expires at this time; whether any peer took it."""
        if await self.node.store(key, value, until, subkey=subkey):
            return True
        # hivemind tells the last reply only: one peer that refuses would speak for all that took it.
        return bool((await self.look_up(key)).get(subkey) == value)

    async def look_up(self, key: str) -> Mapping[Any, Any]:
        """Records under a key by subkey; empty where there are none."""
        found = await self.node.get(key, latest=True)
        if found is None or not isinstance(found.value, Mapping):
            return {}
        return {subkey: record.value for subkey, record in found.value.items()}

    async def stop(self) -> None:
        """Leave the DHT; the daemon goes on."""
        await self.node.shutdown()

    async def _greet(self, address: str) -> bool:
        """Whether the peer at a full address is there."""
        where, _, remote = address.partition("/p2p/")
        try:
            peer = PeerID.from_base58(remote)
            with closed_on_failure():
                async with asyncio.timeout(GREET_SECONDS):
                    await self._p2p._client.connect(peer, [Multiaddr(where)])
            if await self.node.protocol.call_ping(peer, validate=False) is None:
                return False
        except (ControlFailure, P2PDaemonError, OSError, EOFError, ValueError):
            return False  # EOFError: the daemon ended meanwhile
        # hivemind asks nobody for a while who once did not answer in time, and longer each time.
        self.node.blacklist.register_success(peer)
        return True
