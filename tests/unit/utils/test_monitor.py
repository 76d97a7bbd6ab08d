# SPDX-License-Identifier: Apache-2.0
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from node0.loglines import (
    CHECKPOINT_SAVED,
    EVAL_SCORE,
    JOB_FAILED,
    NOT_FINITE,
    RESUME_TRIGGERED,
    TRAINING_LOSS,
)
from node0.swarm.records.peer_metrics import training_metrics
from node0.utils.monitor import QUEUE_LENGTH, MonitorWorker, Owner, following

KILLED = """
import logging, subprocess, sys
from node0.utils.monitor import MonitorWorker
monitor = MonitorWorker(finetune_mode={mode})
monitor.start()
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
beside = subprocess.Popen(sleep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(beside.pid, flush=True)
logger = logging.getLogger("node0")
logger.addHandler(monitor.handler())
logger.warning("Gradients not finite: step 3")
monitor.stop()
print("still alive" if beside.poll() is None else "alone")
beside.kill()
beside.wait()
"""


class Dht:
    def __init__(self, *, failures: int = 0) -> None:
        self.stored: dict[str, dict[Any, Any]] = {}
        self.failures = failures
        self.reported = threading.Event()

    def store(self, key: str, subkey: Any, value: Any, *, seconds: float) -> bool:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no peer answers")
        assert seconds > 0
        self.stored.setdefault(key, {})[subkey] = value
        self.reported.set()
        return True

    def get(self, key: str) -> Mapping[Any, Any]:
        return self.stored.get(key, {})


def _owner(dht: Dht) -> Owner:
    return Owner(dht, "Qm1", b"[owner:key]", "run", "tail-2", "deacon", "abc")


def _following(*lines: str) -> MonitorWorker:
    monitor = MonitorWorker(finetune_mode=True)
    for line in lines:
        monitor.monitor_callback(line)
    return monitor


def test_a_monitor_needs_no_arguments() -> None:
    assert MonitorWorker(finetune_mode=True).finetune_mode
    assert not MonitorWorker().report()


def test_lines_of_training_are_followed() -> None:
    monitor = _following(
        TRAINING_LOSS.write(2.5),
        "2026-02-01 INFO Training loss: 2.34",
        EVAL_SCORE.write("planning", 0.75),
        "something else",
    )

    assert (monitor.step, monitor.loss, monitor.eval_scores) == (2, 2.34, {"planning": 0.75})


def test_checkpoints_and_resumes_say_which_step_it_is() -> None:
    monitor = _following(RESUME_TRIGGERED.write(10), TRAINING_LOSS.write(1.0))
    assert monitor.step == 11

    for line in (
        CHECKPOINT_SAVED.write(12, "head-0"),
        CHECKPOINT_SAVED.write(12, "tail-1"),
        JOB_FAILED.write(13),
    ):
        monitor.monitor_callback(line)

    assert monitor.step == 12 and monitor.checkpoints == {"head-0": 12, "tail-1": 12}
    assert monitor.failed_at == 13


def test_a_report_publishes_work_and_loss_and_is_read_back() -> None:
    dht = Dht()
    monitor = _following(TRAINING_LOSS.write(2.5))
    monitor.add_auth_info(_owner(dht))
    monitor.count_work(1e9, active_time=0.5)

    assert monitor.report()

    (found,) = training_metrics(dht, "run", "tail-2")
    assert (found.peer_id, found.step, found.loss, found.role, found.corpus_hash) == (
        "Qm1",
        1,
        2.5,
        "deacon",
        "abc",
    )
    work = {"peer_id": "Qm1", "num_flop": 1e9, "active_time": 0.5}
    assert dht.stored["run_tail-2_worker_metrics"] == {b"[owner:key]": work}
    assert monitor.report()
    assert dht.stored["run_tail-2_worker_metrics"][b"[owner:key]"]["num_flop"] == 0.0


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_there_is_no_loss_to_publish_before_a_finite_one(loss: float | None) -> None:
    dht = Dht()
    monitor = _following(*(() if loss is None else (TRAINING_LOSS.write(loss),)))
    monitor.add_auth_info(_owner(dht))

    assert monitor.report()
    assert list(dht.stored) == ["run_tail-2_worker_metrics"]


def test_pretraining_publishes_no_loss() -> None:
    dht = Dht()
    monitor = MonitorWorker()
    monitor.add_auth_info(_owner(dht))
    monitor.monitor_callback(TRAINING_LOSS.write(2.5))

    assert monitor.report()
    assert training_metrics(dht, "run", "tail-2") == []


def test_the_thread_reads_records_and_reports_at_the_end() -> None:
    dht, log = Dht(), logging.getLogger("node0.test_monitor")
    log.setLevel(logging.INFO)
    monitor = MonitorWorker(finetune_mode=True)
    monitor.add_auth_info(_owner(dht))
    with following(monitor, log):
        for step in range(5):
            log.info(TRAINING_LOSS.write(5.0 - step))
    log.info(TRAINING_LOSS.write(9.0))

    assert not monitor.is_alive()
    (found,) = training_metrics(dht, "run", "tail-2")
    assert (found.step, found.loss) == (5, 1.0)


def test_a_report_that_fails_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    dht = Dht(failures=2)
    monitor = MonitorWorker(finetune_mode=True, stats_report_interval=0.01)
    monitor.add_auth_info(_owner(dht))
    monitor.start()

    assert dht.reported.wait(10)
    monitor.stop()
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "metrics were not published"
    ] * 2


def test_a_stream_of_lines_does_not_put_off_a_report() -> None:
    dht = Dht()
    monitor = MonitorWorker(stats_report_interval=0.001)
    monitor.add_auth_info(_owner(dht))
    monitor.start()

    while not dht.reported.is_set() and monitor.is_alive():
        monitor.lines.put("anything")

    monitor.stop()
    assert dht.stored


def test_whoever_logs_never_waits_for_the_monitor() -> None:
    monitor = MonitorWorker()
    handler = monitor.handler()
    record = logging.makeLogRecord({"msg": "x"})

    for _ in range(QUEUE_LENGTH + 5):
        handler.emit(record)

    assert monitor.lines.qsize() == QUEUE_LENGTH


@pytest.mark.parametrize("finetune_mode", [True, False])
def test_gradients_that_are_not_finite_end_the_process_group_of_pretraining(*, finetune_mode: bool) -> None:
    child = subprocess.run(
        [sys.executable, "-c", KILLED.format(mode=finetune_mode)],
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )

    beside, *said = child.stdout.splitlines()

    assert NOT_FINITE.write(3) in KILLED
    assert child.returncode == (0 if finetune_mode else -signal.SIGTERM)
    assert said == (["still alive"] if finetune_mode else [])
    assert _ends(int(beside)), "a process of the group goes on"


def _ends(pid: int) -> bool:
    """Whether a process is gone within a few seconds; one that is not is killed."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False
