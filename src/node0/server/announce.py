# SPDX-License-Identifier: Apache-2.0
"""Telling the swarm who holds which stage: a record in the DHT, signed by its peer and renewed."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from node0.errors import BadSignature, Node0Error
from node0.security.signature import seal, unseal
from node0.swarm.peer import Peer

logger = logging.getLogger(__name__)

PURPOSE = "node0.member/1"
RENEW_EVERY = 5.0
LIVES = 20.0
"Seconds after which a record that was not renewed is gone."


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a stage host says of itself."""

    peer_id: str
    addresses: list[str]
    about: Mapping[str, Any]
    "`StageHost.describe()`."


class Announcer:
    """Renews one host's record until `close`."""

    def __init__(
        self, peer: Peer, *, run_id: str, key: RSAPrivateKey, describe: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._peer, self._run_id, self._key, self._describe = peer, run_id, key, describe
        self._addresses = peer.addresses
        self._task = asyncio.run_coroutine_threadsafe(self._renew(), peer.loop)

    def close(self) -> None:
        """Renew no more; the record runs out by itself."""
        self._task.cancel()

    async def _renew(self) -> None:
        while True:
            try:
                await self._peer.greet()
                record = {"addresses": self._addresses, "about": self._describe()}
                sealed = seal(msgpack.packb(record), key=self._key, purpose=PURPOSE)
                await self._peer.put(_key(self._run_id), self._peer.peer_id, sealed, seconds=LIVES)
            except (Node0Error, OSError, RuntimeError) as error:
                logger.warning("the record of peer %s is not renewed: %s", self._peer.peer_id, error)
            await asyncio.sleep(RENEW_EVERY)


async def find_members(peer: Peer, *, run_id: str, allowed: Collection[str] | None) -> list[Announcement]:
    """The hosts of a run that are announced now, by peer id. Records that nobody signed are left out."""
    found = []
    for sealed in (await peer.look_up(_key(run_id))).values():
        try:
            opened = unseal(sealed, purpose=PURPOSE)
            record = msgpack.unpackb(opened.payload)
            is_fresh = time.time() - record["about"]["time"] < 2 * LIVES
            if is_fresh and (allowed is None or opened.peer_id in allowed):
                found.append(Announcement(opened.peer_id, list(record["addresses"]), record["about"]))
        except (BadSignature, ValueError, TypeError, KeyError) as error:
            logger.warning("a record of run %s is refused: %s", run_id, error)
    return sorted(found, key=lambda each: each.peer_id)


def _key(run_id: str) -> str:
    return f"{run_id}_members"
