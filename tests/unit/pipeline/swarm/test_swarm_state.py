# SPDX-License-Identifier: Apache-2.0
from typing import Any

from node0.pipeline.protocol import StepResult
from node0.pipeline.swarm.swarm_state import Cut, History

WORK: Any = object()
DONE, SKIPPED = StepResult(1.0, 1, 1.0), StepResult(1.0, 1, 1.0, skipped=True)


def test_a_skipped_step_is_done_and_makes_no_version() -> None:
    history = History(work=[WORK] * 3)

    for result in (DONE, SKIPPED, DONE):
        history.record(result)

    assert (history.done, history.version) == (3, 2)


def test_after_a_restart_all_work_since_the_cut_is_done_again() -> None:
    history = History(Cut(5), work=[WORK] * 2, version=5)
    history.record(DONE)

    history.restart()

    assert (history.done, history.version, len(history.work)) == (0, 5, 2)


def test_a_newer_cut_needs_no_older_work() -> None:
    history = History(work=[WORK] * 2, done=2, version=2)
    cut = Cut(2, {0: b"state"})

    history.renew(cut)

    assert (history.cut, history.work, history.done, history.version) == (cut, [], 0, 2)
