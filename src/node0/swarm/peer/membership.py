# SPDX-License-Identifier: Apache-2.0
"""Announce a stage host's membership in the DHT, renew it, and find other members."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from node0.errors import Node0Error
from node0.swarm.peer.peer import Peer
from node0.swarm.records.members import MemberRecord, members_key, read_members, seal_member

logger = logging.getLogger(__name__)

RENEW_EVERY = 5.0
LIVES = 20.0
"Seconds after which a host that did not renew its record counts as gone."

KEPT = 24 * 3600.0
"Seconds for which the record itself stays: it says when the host was last there."


class Announcer:
    """Renews one host's record until `close`."""

    def __init__(
        self, peer: Peer, *, run_id: str, key: RSAPrivateKey, describe: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._peer, self._run_id, self._key, self._describe = peer, run_id, key, describe
        self._addresses = peer.addresses
        self._task = asyncio.run_coroutine_threadsafe(self._renew(), peer.loop)

    def close(self) -> None:
        """Renew no more; the record grows old by itself."""
        self._task.cancel()

    async def _renew(self) -> None:
        while True:
            try:
                await self._peer.greet()
                await self._put()
            except (Node0Error, OSError, RuntimeError) as error:
                logger.warning("the record of peer %s is not renewed: %s", self._peer.peer_id, error)
            await asyncio.sleep(RENEW_EVERY)

    async def _put(self) -> None:
        content = {"addresses": self._addresses, "about": self._describe()}
        until = time.time() + KEPT
        sealed = seal_member(content, key=self._key, run_id=self._run_id, until=until)
        await self._peer.put_until(members_key(self._run_id), self._peer.peer_id, sealed, until=until)


async def find_members(peer: Peer, *, run_id: str, allowed: Collection[str] | None) -> list[MemberRecord]:
    """The hosts of a run that are announced now, by peer id."""
    now = time.time()
    every = await find_records(peer, run_id=run_id, allowed=allowed)
    return [each for each in every if now - each.at < LIVES]


async def find_records(peer: Peer, *, run_id: str, allowed: Collection[str] | None) -> list[MemberRecord]:
    """The last record of every host, by peer id, without those of peers that are not allowed."""
    return read_members(await peer.look_up(members_key(run_id)), run_id=run_id, allowed=allowed)
