# SPDX-License-Identifier: Apache-2.0
"""`MonitorWorker`: reads training metrics off log lines on a thread and publishes them to the DHT."""

import logging
import math
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from node0.errors import RetriableError
from node0.loglines import (
    CHECKPOINT_SAVED,
    EVAL_SCORE,
    JOB_FAILED,
    NOT_FINITE,
    RESUME_TRIGGERED,
    TRAINING_LOSS,
)
from node0.swarm.records.dht import Dht
from node0.swarm.records.peer_metrics import TrainingMetricsV1, WorkerMetricsV1, metrics_key
from node0.utils.process_group import end_process_group

logger = logging.getLogger(__name__)

QUEUE_LENGTH = 10_000
"Lines that may wait; more are dropped, never the process."

REPORTS_UNTIL_OLD = 3
"A record expires when so many reports have failed to follow it."


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose metrics they are and where they go."""

    dht: Dht
    peer_id: str
    public_key: bytes
    "The subkey that `make_validators` gives."

    experiment_prefix: str
    stage: str
    role: str
    corpus_hash: str


class MonitorWorker(Thread):
    """Follows training by its log lines and reports every `stats_report_interval` seconds.

    With `finetune_mode` reports hold the loss. Without it, a line about gradients that are not
    finite ends the process group.
    """

    def __init__(self, *, finetune_mode: bool = False, stats_report_interval: float = 60.0) -> None:
        super().__init__(name="monitor", daemon=True)
        self.finetune_mode = finetune_mode
        self.interval = stats_report_interval
        self.lines: queue.Queue[str | None] = queue.Queue(QUEUE_LENGTH)
        self.owner: Owner | None = None
        self.step = 0
        "Steps done."

        self.loss: float | None = None
        self.eval_scores: dict[str, float] = {}
        self.checkpoints: dict[str, int] = {}
        "The last step saved, by stage."

        self.failed_at: int | None = None
        self._num_flop = self._active_time = 0.0

    def add_auth_info(self, owner: Owner) -> None:
        """Say whose metrics these are; nothing is published before."""
        self.owner = owner

    def handler(self) -> logging.Handler:
        """A handler that passes every log record on to this monitor."""
        return _Feeding(self.lines)

    def monitor_callback(self, line: str) -> None:
        """Take in one line; most say nothing about training."""
        if loss := TRAINING_LOSS.read(line):
            self.step, (self.loss,) = self.step + 1, loss
        elif score := EVAL_SCORE.read(line):
            self.eval_scores[score[0]] = score[1]
        elif saved := CHECKPOINT_SAVED.read(line):
            self.step, self.checkpoints[saved[1]] = saved[0], saved[0]
        elif resumed := RESUME_TRIGGERED.read(line):
            (self.step,) = resumed
        elif failed := JOB_FAILED.read(line):
            (self.failed_at,) = failed
        elif NOT_FINITE.read(line) and not self.finetune_mode:
            end_process_group()

    def count_work(self, num_flop: float, *, active_time: float) -> None:
        """Add to what the next report says this peer has computed, in how many seconds."""
        self._num_flop += num_flop
        self._active_time += active_time

    def report(self) -> bool:
        """Publish what there is to say; whether all of it was taken."""
        owner = self.owner
        if owner is None:
            return False
        work = WorkerMetricsV1(peer_id=owner.peer_id, num_flop=self._num_flop, active_time=self._active_time)
        is_taken = self._publish(owner, "worker_metrics", work.dict())
        if is_taken:
            # More may have been counted meanwhile.
            self._num_flop -= work.num_flop
            self._active_time -= work.active_time
        if self.finetune_mode and self.loss is not None and math.isfinite(self.loss):
            training = TrainingMetricsV1(
                peer_id=owner.peer_id,
                step=self.step,
                loss=self.loss,
                role=owner.role,
                corpus_hash=owner.corpus_hash,
            )
            is_taken &= self._publish(owner, "training_metrics", training.dict())
        return is_taken

    def run(self) -> None:
        """Follow lines and report, until `stop`; called by `start`."""
        due = time.monotonic() + self.interval
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, due - time.monotonic()))
                if line is None:
                    break
                self.monitor_callback(line)
            except queue.Empty:
                pass
            if time.monotonic() >= due:
                self._report_safely()
                due = time.monotonic() + self.interval
        self._report_safely()

    def stop(self) -> None:
        """Read what waits, report once more and end."""
        if self.is_alive():
            self.lines.put(None)
            self.join()

    def _report_safely(self) -> None:
        try:
            self.report()
        except (RetriableError, OSError) as error:
            logger.warning("metrics were not published, trying again in %.0f s: %s", self.interval, error)
        except Exception:  # a thread that ends here would report nothing any more
            logger.exception("cannot report metrics; trying again in %.0f s", self.interval)

    def _publish(self, owner: Owner, kind: str, value: Mapping[str, object]) -> bool:
        key = metrics_key(owner.experiment_prefix, owner.stage, kind)
        seconds = REPORTS_UNTIL_OLD * self.interval
        return owner.dht.store(key, owner.public_key, dict(value), seconds=seconds)


@contextmanager
def following(monitor: MonitorWorker, log: logging.Logger) -> Iterator[None]:
    """Let `monitor` follow what `log` says until the context ends."""
    handler = monitor.handler()
    log.addHandler(handler)
    monitor.start()
    try:
        yield
    finally:
        log.removeHandler(handler)
        monitor.stop()


class _Feeding(logging.Handler):
    def __init__(self, lines: "queue.Queue[str | None]") -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits: whoever logs is training."""
        try:
            self._lines.put_nowait(record.getMessage())
        except queue.Full:
            pass
        except Exception:  # noqa: BLE001  # a record that cannot be formatted is its writer's mistake
            self.handleError(record)
