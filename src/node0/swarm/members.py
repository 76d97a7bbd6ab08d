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
from node0.security.validation import members_key, open_member, seal_member
from node0.swarm.peer import Peer
from node0.swarm.transport.quoting import quoted

logger = logging.getLogger(__name__)

RENEW_EVERY = 5.0
LIVES = 20.0
"Seconds after which a host that did not renew its record counts as gone."

KEPT = 24 * 3600.0
"Seconds for which the record itself stays: it says when the host was last there."


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What a stage host says of itself."""

    peer_id: str
    addresses: list[str]
    about: Mapping[str, Any]
    "`StageHost.describe()`."

    at: float
    "When it said so, by its own clock."


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


async def find_members(peer: Peer, *, run_id: str, allowed: Collection[str] | None) -> list[HostRecord]:
    """The hosts of a run that are announced now, by peer id."""
    now = time.time()
    every = await find_records(peer, run_id=run_id, allowed=allowed)
    return [each for each in every if now - each.at < LIVES]


async def find_records(peer: Peer, *, run_id: str, allowed: Collection[str] | None) -> list[HostRecord]:
    """The last record of every host, by peer id, without those of peers that are not allowed.

    The peer's `MembersValidator` has refused what no member signed, and said so once."""
    found = []
    for sealed in (await peer.look_up(members_key(run_id))).values():
        try:
            opened = open_member(sealed, run_id=run_id)
            record = msgpack.unpackb(opened.payload)
            if allowed is None or opened.peer_id in allowed:
                addresses, about = [str(address) for address in record["addresses"]], record["about"]
                found.append(HostRecord(opened.peer_id, addresses, about, float(about["time"])))
        except (BadSignature, ValueError, TypeError, KeyError) as error:
            logger.debug("left out a record of run %s: %s", run_id, quoted(error))
    return sorted(found, key=lambda each: each.peer_id)
