# SPDX-License-Identifier: Apache-2.0
import logging
import threading
import time

import pytest

from node0.finetune.training.trackers import background
from node0.finetune.training.trackers.background import BackgroundTracker


class Listener:
    """A tracker that keeps what it is told; `fails_at` a step it breaks, and `gate` holds it up."""

    def __init__(self, *, fails_at=None, gate=None, place="here"):
        self.told, self.ends, self.place = [], [], place
        self._fails_at, self._gate = fails_at, gate

    def log(self, step, values):
        if self._gate is not None:
            self._gate.wait(30)
        if step == self._fails_at:
            raise ConnectionError("cannot reach https://user:secret@server/api\nand more")
        self.told.append((step, values))

    def close(self, end):
        self.ends.append(end)


def test_figures_and_the_end_arrive_in_order():
    listener = Listener()
    tracker = BackgroundTracker("x", lambda: listener)
    for step in range(5):
        tracker.log(step, {"loss": float(step)})
    tracker.close("interrupted")

    assert listener.told == [(step, {"loss": float(step)}) for step in range(5)]
    assert listener.ends == ["interrupted"]


def test_the_first_error_is_one_warning_without_passwords_and_nothing_more_is_told(caplog):
    listener = Listener(fails_at=1)
    tracker = BackgroundTracker("x", lambda: listener)
    for step in range(4):
        tracker.log(step, {"loss": 1.0})
    tracker.close("finished")

    assert [step for step, _ in listener.told] == [0]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning == (
        "x takes no more figures: ConnectionError: cannot reach https://server/api; training goes on"
    )


def test_one_that_cannot_be_opened_is_a_warning_too(caplog):
    def refuse():
        raise RuntimeError

    BackgroundTracker("x", refuse).close("finished")

    assert "x takes no more figures: RuntimeError: ; training goes on" in caplog.messages


def test_where_the_run_is_found_is_told_without_a_password(caplog):
    with caplog.at_level(logging.INFO):
        BackgroundTracker("x", lambda: Listener(place="run 1 at http://me:secret@server")).close("finished")

    assert "x: run 1 at http://server" in caplog.messages


def test_no_step_waits_for_a_tracker_and_the_end_waits_only_so_long(caplog):
    gate = threading.Event()
    listener = Listener(gate=gate)
    tracker = BackgroundTracker("x", lambda: listener, grace=0.05)
    began = time.monotonic()
    tracker.log(1, {"loss": 1.0})
    tracker.close("finished")
    took = time.monotonic() - began
    gate.set()

    assert took < 20
    assert "x has not taken all figures 0.05 s after the end; they are in metrics.jsonl" in caplog.messages


def test_steps_that_a_slow_tracker_cannot_take_are_counted(caplog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(background, "WAITING", 2)
    gate = threading.Event()
    listener = Listener(gate=gate)
    tracker = BackgroundTracker("x", lambda: listener)
    for step in range(50):
        tracker.log(step, {"loss": 1.0})
    gate.set()
    tracker.close("finished")

    lacking = 50 - len(listener.told)
    assert lacking > 0
    assert f"x was too slow for {lacking} steps, which it lacks" in caplog.messages
