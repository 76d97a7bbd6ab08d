# SPDX-License-Identifier: Apache-2.0
"""Gather the shards of one checkpoint from the peers that hold them.

    {directory}/shards/{sha256}.safetensors     whole and checked; `.part` where it is not whole yet
    {directory}/step_{step}/{stage}.chosen      the signed announcement that is being fetched or was

Whoever gathers into the same directory goes on where another one ended, at the same time too.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from node0.errors import BadCheckpoint, BadSignature, RetriableError
from node0.files import sha256_of, write_atomically
from node0.finetune.checkpoint.blobs import Blobs
from node0.finetune.checkpoint.shard_sources import ShardSources, Trust
from node0.server.stage.shard_file import STAGE
from node0.step_directories import prune_steps, step_directory, step_numbers
from node0.swarm.peer.shard_stream import pull_shard
from node0.swarm.records.dht import Dht
from node0.swarm.records.shards import (
    MOST_ADDRESSES,
    SECONDS,
    Announced,
    Announcement,
    announcement_key,
    open_announcement,
    sign_announcement,
)
from node0.swarm.run.identity import Identity
from node0.swarm.transport.quoting import quoted

logger = logging.getLogger(__name__)

AT_ONCE = 4
"Stages that are fetched at a time."

LOOK_EVERY = 0.5
"Seconds between looks for what is missing."

STALL_SECONDS = 30.0


class Pull(Protocol):
    """How the bytes of an announced shard come from its holder."""

    def __call__(
        self, peer: Any, source: Announced, offset: int, *, stall: float
    ) -> Generator[bytes, None, None]:
        """The bytes from `offset` on."""
        ...


@dataclass(slots=True)
class _Gather:
    """One call of `gather_all_shards`."""

    dht: Dht
    run: str
    step: int
    digests: Mapping[str, str]
    left: Callable[[], float]
    refused: set[tuple[str, str]] = field(default_factory=set)
    "Peers and digests of which wrong bytes came."


class CheckpointGatherer:
    """Gathers into one directory."""

    def __init__(
        self,
        directory: Path,
        *,
        trust: Trust | None = None,
        pull: Pull = pull_shard,
        stall: float = STALL_SECONDS,
    ) -> None:
        """`stall`: seconds that a holder may send nothing."""
        self.directory = directory
        self.blobs = Blobs(directory / "shards")
        self._sources = ShardSources(trust or Trust())
        self._pull, self._stall = pull, stall

    def gather_all_shards(
        self,
        dht: Dht,
        experiment_prefix: str,
        step: int,
        expected_stages: Sequence[str],
        timeout: float = 300.0,
        *,
        digests: Mapping[str, str] | None = None,
        stop: threading.Event | None = None,
    ) -> dict[str, Path] | None:
        """The shards of a step by stage; None where one is not here within `timeout` seconds.

        What came is kept, and the next call begins with it.

        Args:
            dht: this peer.
            experiment_prefix: the run's.
            step: of the checkpoint.
            expected_stages: names of all stages.
            timeout: seconds.
            digests: sha256 by stage, where the trainer knows them from its stages; no other is taken then.
            stop: ends the wait when it is set.

        Raises:
            ConfigError: the disk has too little room.
        """
        for stage in expected_stages:
            if not STAGE.match(stage):
                raise BadCheckpoint(f"stage name {stage!r} is not a file name; use letters, digits, - and _")
        stop, deadline = stop or threading.Event(), time.monotonic() + timeout

        def left() -> float:
            return 0.0 if stop.is_set() else deadline - time.monotonic()

        gather = _Gather(dht, experiment_prefix, step, digests or {}, left)
        found: dict[str, Path] = {}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="node0-gather") as pool:
            while True:
                missing = [stage for stage in expected_stages if stage not in found]
                paths = pool.map(partial(self._one, gather), missing)
                found |= {stage: path for stage, path in zip(missing, paths, strict=True) if path is not None}
                if len(found) == len(set(expected_stages)):
                    return {stage: found[stage] for stage in expected_stages}
                if left() <= 0:
                    break
                stop.wait(min(LOOK_EVERY, max(0.0, left())))
        missing = [stage for stage in expected_stages if stage not in found]
        logger.warning("checkpoint of step %d is not whole: no shard of %s came", step, ", ".join(missing))
        return None

    def announce_shard(
        self,
        dht: Dht,
        experiment_prefix: str,
        stage: str,
        step: int,
        shard_path: str | Path,
        *,
        identity: Identity,
        base_digest: str,
    ) -> None:
        """Say in the DHT that this peer holds a shard; `serve_shards` lets others fetch it.

        For a program that wrote its shard itself; a stage's `ShardStore` announces what it serves.

        Raises:
            RetriableError: no peer took the record.
        """
        announcement = Announcement(
            run=experiment_prefix,
            stage=stage,
            step=step,
            sha256=sha256_of(Path(shard_path)),
            bytes=Path(shard_path).stat().st_size,
            base_digest=base_digest,
            addresses=list(dht.addresses)[:MOST_ADDRESSES],
        )
        key, subkey, sealed = sign_announcement(announcement, identity)
        if not dht.store(key, subkey, sealed, seconds=SECONDS):
            raise RetriableError(f"no peer took the announcement {key}; join the swarm first")

    def discard_before(self, step: int) -> None:
        """Remove what was gathered of earlier steps."""
        kept: set[str] = set()
        steps = [known for known in step_numbers(self.directory) if known >= step]
        prune_steps(self.directory, keep=steps)
        for known in steps:
            paths = step_directory(self.directory, known).glob("*.chosen")
            chosen = [self._read_chosen(path) for path in paths]
            kept |= {each.announcement.sha256 for each in chosen if each is not None}
        self.blobs.prune(kept)

    def _one(self, gather: _Gather, stage: str) -> Path | None:
        """The shard of one stage, from the first holder that gives it."""
        sources = self._sources.find(
            gather.dht,
            announcement_key(gather.run, gather.step, stage),
            begun=self._read_chosen(self._chosen(gather.step, stage)),
            wanted=gather.digests.get(stage),
            refused=gather.refused,
        )
        for source in sources:
            announcement = source.announcement
            found = self.blobs.find(announcement.sha256, announcement.bytes)
            if found is None:
                found = self._fetch(gather, source)
            if found is not None:
                return found
            if gather.left() <= 0:
                break
        return None

    def _fetch(self, gather: _Gather, source: Announced) -> Path | None:
        announcement = source.announcement
        chosen = self._chosen(announcement.step, announcement.stage)
        write_atomically(chosen, source.sealed.hex())
        stall = min(self._stall, max(0.1, gather.left()))
        try:
            return self.blobs.fill(
                announcement.sha256,
                announcement.bytes,
                read=lambda offset: self._pull(gather.dht, source, offset, stall=stall),
                left=gather.left,
            )
        except BadCheckpoint as fault:
            gather.refused.add((source.peer_id, announcement.sha256))
            logger.warning(
                "refused shard %s of step %d from peer %s: %s",
                announcement.stage, announcement.step, source.peer_id, quoted(fault),
            )  # fmt: skip
        except RetriableError as fault:
            logger.info("shard %s of step %d: %s", announcement.stage, announcement.step, quoted(fault))
        return None

    def _chosen(self, step: int, stage: str) -> Path:
        return step_directory(self.directory, step) / f"{stage}.chosen"

    def _read_chosen(self, path: Path) -> Announced | None:
        try:
            return open_announcement(bytes.fromhex(path.read_text(encoding="ascii")))
        except (OSError, ValueError, BadSignature):
            return None
