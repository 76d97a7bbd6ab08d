# SPDX-License-Identifier: Apache-2.0
"""Shards of one stage host: written to its directory, announced, served, and pruned."""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from node0.errors import BadCheckpoint, ConfigError
from node0.files import sha256_of
from node0.loglines import CHECKPOINT_SAVED
from node0.server.stage.shard_file import ShardFacts, read_shard, shard_files, write_shard
from node0.step_directories import keep_newest
from node0.swarm.peer.peer import Peer
from node0.swarm.peer.shard_stream import serve_shards
from node0.swarm.records.shards import MOST_ADDRESSES, SECONDS, Announcement, sign_announcement
from node0.swarm.run.identity import Identity

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """Where a host keeps its shards."""

    run: str
    "The run's prefix in the DHT."

    directory: Path
    "Of this host alone."

    keep: int = 3
    "Checkpoints that stay."

    readers: frozenset[str] | None = None
    "Peer ids that may fetch them; None lets everybody who may talk."


@dataclass(frozen=True, slots=True)
class Held:
    """A shard that is served."""

    path: Path
    facts: ShardFacts
    sha256: str
    bytes: int


class ShardStore:
    """What is in the directory is announced and served, from the start and after each `save`."""

    def __init__(self, peer: Peer, identity: Identity, settings: ShardSettings) -> None:
        """Announce what an earlier life left.

        Raises:
            ConfigError: `identity` is not the peer's.
        """
        if identity.peer_id != peer.peer_id:
            raise ConfigError(
                f"the key is that of peer {identity.peer_id}, not of {peer.peer_id}; give the peer's own"
            )
        self._peer, self._identity, self._settings = peer, identity, settings
        self._addresses = peer.addresses[:MOST_ADDRESSES]
        self._held: dict[str, Held] = {}
        for paths in shard_files(settings.directory).values():
            for path in paths:
                self._take_up(path)
        serve_shards(peer, self._find, readers=settings.readers)
        self._announce_all()
        peer.when_back(self._announce_all)

    def save(self, facts: ShardFacts, tensors: Mapping[str, Tensor]) -> Held:
        """Write a stage's shard, offer it, and drop what is older than the last few, or of an undone future.

        Raises:
            ConfigError: it cannot be written.
        """
        try:
            path = write_shard(self._settings.directory, facts, tensors)
            held = _held(path, facts)
            keep_newest(self._settings.directory, self._settings.keep, until=facts.step)
        except OSError as error:
            raise ConfigError(
                f"cannot write the checkpoint of step {facts.step} below {self._settings.directory}: "
                f"{error.strerror}; make room there, or give another --checkpoint-dir"
            ) from None
        logger.info(CHECKPOINT_SAVED.write(facts.step, facts.stage))
        kept = {sha256: old for sha256, old in self._held.items() if old.path.is_file() and old.path != path}
        self._held = {**kept, held.sha256: held}
        self._announce_all()
        return held

    def _find(self, sha256: str) -> Path | None:
        held = self._held.get(sha256)
        return None if held is None else held.path

    def _take_up(self, path: Path) -> None:
        try:
            held = _held(path, read_shard(path).facts)
        except (BadCheckpoint, OSError) as error:
            logger.warning("does not serve an old shard: %s", error)
            return
        self._held[held.sha256] = held

    def _announce_all(self) -> None:
        for held in self._held.values():
            if held.facts.base_digest is not None:
                self._announce(held, held.facts.base_digest)

    def _announce(self, held: Held, base_digest: str) -> None:
        announcement = Announcement(
            run=self._settings.run,
            stage=held.facts.stage,
            step=held.facts.step,
            sha256=held.sha256,
            bytes=held.bytes,
            base_digest=base_digest,
            addresses=self._addresses,
        )
        key, subkey, sealed = sign_announcement(announcement, self._identity)
        work = self._peer.put(key, subkey, sealed, seconds=SECONDS)
        # Training does not wait for the DHT; who gathers looks again until the record is there.
        asyncio.run_coroutine_threadsafe(work, self._peer.loop).add_done_callback(_tell_failure)


def _held(path: Path, facts: ShardFacts) -> Held:
    return Held(path, facts, sha256_of(path), path.stat().st_size)


def _tell_failure(done: "Future[bool]") -> None:
    if done.cancelled():
        return
    if done.exception() is not None or not done.result():
        logger.warning("no peer took the announcement of a shard: %s", done.exception() or "all refused it")
