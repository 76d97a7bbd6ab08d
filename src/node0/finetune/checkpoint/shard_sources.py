# SPDX-License-Identifier: Apache-2.0
"""Whose announcements of a shard count, and in which order their holders are asked for it."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from node0.errors import BadSignature, RetriableError
from node0.retry import call_with_retries
from node0.swarm.records.dht import Dht
from node0.swarm.records.shards import Announced, open_announcement
from node0.swarm.transport.quoting import quoted

logger = logging.getLogger(__name__)

MOST_REASONS = 100
"Refusals that are logged; strangers may write any number of records."


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose announcements count."""

    allowed: frozenset[str] | None = None
    "Peer ids; None believes every peer."

    base_digest: str | None = None
    "Of the base that the run trains; None takes any."


class ShardSources:
    """Reads announcements; the reason against one is logged once."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._told: set[str] = set()

    def find(
        self,
        dht: Dht,
        key: str,
        *,
        begun: Announced | None,
        wanted: str | None,
        refused: Collection[tuple[str, str]] = (),
    ) -> list[Announced]:
        """Who announced a shard that counts under this key, in the order in which they are asked.

        Args:
            dht: this peer.
            key: of one stage at one step.
            begun: what was fetched of this shard before; it counts where no record does.
            wanted: sha256 of the only shard that counts; None takes any.
            refused: peers and digests of which wrong bytes came.
        """
        try:
            records = call_with_retries(lambda: dht.get(key), attempts=2, first_delay=0.2)
        except RetriableError as fault:
            logger.info("no answer of the DHT for %s: %s", key, fault)
            records = {}
        found = [self._open(value, key) for value in records.values()]
        usable = [each for each in found if each is not None]
        if begun is not None and not usable:
            # The holders' records are gone, or the holders are: what is here may be whole.
            usable = [each for each in [self._open(begun.sealed, key)] if each is not None]
        usable = [
            each
            for each in usable
            if wanted in (None, each.announcement.sha256)
            and (each.peer_id, each.announcement.sha256) not in refused
        ]
        return _ordered(usable, begun=None if begun is None else begun.announcement.sha256)

    def _open(self, sealed: object, key: str) -> Announced | None:
        """An announcement that counts; of any other the reason is logged, once."""
        try:
            found = open_announcement(sealed)
        except BadSignature as fault:
            self._log_once(str(fault))
            return None
        trust = self._trust
        if found.announcement.key != key:
            self._log_once(
                f"peer {found.peer_id} announced shard {quoted(found.announcement.key)} under {key}"
            )
        elif trust.allowed is not None and found.peer_id not in trust.allowed:
            self._log_once(f"peer {found.peer_id} is not on the allow-list and announced {key}")
        elif trust.base_digest not in (None, found.announcement.base_digest):
            self._log_once(f"peer {found.peer_id} announced {key} of another base")
        else:
            return found
        return None

    def _log_once(self, reason: str) -> None:
        if reason not in self._told and len(self._told) < MOST_REASONS:
            self._told.add(reason)
            logger.warning("refused the announcement of a shard: %s", reason)


def _ordered(sources: Sequence[Announced], *, begun: str | None) -> list[Announced]:
    """The digest that was begun first, then what most holders announced."""
    counts: dict[str, int] = {}
    for each in sources:
        counts[each.announcement.sha256] = counts.get(each.announcement.sha256, 0) + 1

    def rank(each: Announced) -> tuple[bool, int, str, str]:
        sha256 = each.announcement.sha256
        return sha256 != begun, -counts[sha256], sha256, each.peer_id

    return sorted(sources, key=rank)
