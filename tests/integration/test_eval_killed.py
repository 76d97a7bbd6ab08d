# SPDX-License-Identifier: Apache-2.0
"""`node0 eval run`, killed half way and called again, with more trials at once: the same report."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_run import make_base

from node0.finetune.eval.running.run_files import REPORT, TRIALS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

TOOL = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())"]
SUITE = """
prompts: ["{{ask}}"]
tests:
  - {vars: {ask: [hello, good day, what now, say bd, list it]}, assert: [{type: contains, value: e}]}
  - {vars: {ask: [one, two, three, four]}, assert: [{type: not-contains, value: a}]}
"""
EPOCHS = 6
TRIALS_IN_ALL = 9 * EPOCHS
STAYS_AT_HALF = f"""
import sys, time
from contextlib import contextmanager
from itertools import count
from node0.cli import main
from node0.finetune.eval.running.run_files import EvalDirectory
quick = EvalDirectory.recording
@contextmanager
def recording(self):
    numbers = count(1)
    with quick(self) as record:
        def slow(result):
            record(result)
            time.sleep(120 if next(numbers) >= {TRIALS_IN_ALL // 2} else 0)
        yield slow
EvalDirectory.recording = recording
sys.exit(main())
"""
"The command, which goes on from half of its trials so slowly that a kill comes before the last."


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A base that answers noise, a suite that noise passes in part, and a town."""
    make_base(tmp_path)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


def _command(place: Path, output: Path, concurrency: int) -> list[str]:
    options = {
        "--suite": place / "suite.yaml", "--output": output, "--town": place, "--epochs": EPOCHS,
        "--max-tokens": 12, "--concurrency": concurrency, "--device": "cpu", "--dtype": "float32",
    }  # fmt: skip
    flags = [part for name, value in options.items() for part in (name, str(value))]
    return [*TOOL, "eval", "run", str(place / "base"), *flags]


def _run(place: Path, name: str, concurrency: int) -> dict[str, Any]:
    output = place / name
    subprocess.run(
        _command(place, output, concurrency),
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    report: dict[str, Any] = json.loads((output / REPORT).read_text())
    return report


def _kill_at_half(place: Path, output: Path) -> int:
    """SIGKILL the command when half of its trials are written; how many were."""
    command = [sys.executable, "-c", STAYS_AT_HALF, *_command(place, output, 2)[len(TOOL) :]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    written, deadline = 0, time.monotonic() + 120
    while written < TRIALS_IN_ALL // 2:
        time.sleep(0.02)
        assert process.poll() is None, "it ended before half of its trials were seen"
        assert time.monotonic() < deadline
        trials = output / TRIALS
        written = len(trials.read_bytes().splitlines()) if trials.is_file() else 0
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    return written


def test_a_run_that_was_killed_half_way_ends_with_the_report_of_an_undisturbed_one(place: Path) -> None:
    whole = _run(place, "whole", concurrency=1)
    written = _kill_at_half(place, place / "killed")

    again = _run(place, "killed", concurrency=8)

    assert TRIALS_IN_ALL // 2 <= written < TRIALS_IN_ALL
    assert 0 < whole["composite"]["score"] < 1
    assert again == whole
