# SPDX-License-Identifier: Apache-2.0
"""A thread beside training that gathers each checkpoint into one directory and never stops the run."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.errors import Node0Error
from node0.finetune.checkpoint.assembler import assemble_checkpoint
from node0.finetune.checkpoint.gatherer import CheckpointGatherer
from node0.step_directories import keep_newest, step_directory
from node0.swarm.records.dht import Dht
from node0.swarm.transport.quoting import quoted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """What is gathered, and where it goes."""

    run: str
    "The run's prefix in the DHT."

    stages: Sequence[str]
    directory: Path
    "Gets `step_N`, as `assemble_checkpoint` writes it."

    base_name: str | None = None
    timeout: float = 300.0
    keep: int = 3
    "Checkpoints that stay."


class CheckpointCollector:
    """Collects one checkpoint at a time; of those asked for meanwhile the newest is next."""

    def __init__(self, gatherer: CheckpointGatherer, dht: Dht, settings: CollectSettings) -> None:
        self._gatherer, self._dht, self._settings = gatherer, dht, settings
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wanted: tuple[int, Mapping[str, str]] | None = None
        self._thread: threading.Thread | None = None

    def collect(self, step: int, digests: Mapping[str, str]) -> None:
        """Begin to collect a checkpoint. Returns at once; what goes wrong is logged."""
        with self._lock:
            self._wanted = (step, digests)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, name="node0-collect", daemon=True)
                self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether all that was asked for is done, after at most so many seconds."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """Stop; what came so far stays, for the next gather. To be called before the peer is closed."""
        self._stop.set()
        self.wait()

    def _work(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None or self._stop.is_set():
                    self._thread = None
                    return
            step, digests = wanted
            try:
                self._collect(step, digests)
            except Exception as fault:  # noqa: BLE001  # a thread that ends here collects nothing any more
                reason = quoted(fault) if isinstance(fault, Node0Error | OSError) else repr(fault)
                logger.warning("checkpoint of step %d was not collected, training goes on: %s", step, reason)

    def _collect(self, step: int, digests: Mapping[str, str]) -> None:
        settings = self._settings
        shards = self._gatherer.gather_all_shards(
            self._dht,
            settings.run,
            step,
            settings.stages,
            settings.timeout,
            digests=digests,
            stop=self._stop,
        )
        if shards is None:
            return
        directory = step_directory(settings.directory, step)
        assemble_checkpoint(shards, directory, base_name=settings.base_name)
        logger.info("collected the checkpoint of step %d in %s", step, directory)
        self._prune(step)

    def _prune(self, step: int) -> None:
        """Keep the last few; those after `step` belong to a future that was undone."""
        keep_newest(self._settings.directory, self._settings.keep, until=step)
        self._gatherer.discard_before(step)
