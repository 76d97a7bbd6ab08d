# SPDX-License-Identifier: Apache-2.0
"""Rounds of kills and a flood over runs of processes; `bench/` has both as commands, at full length."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


def _bench(name: str, *arguments: str, timeout: float) -> tuple[int, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(ROOT / "bench" / name), *arguments],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    except BaseException:
        process.send_signal(signal.SIGINT)  # it ends its members then
        process.communicate(timeout=60)
        raise
    return process.returncode, said


@pytest.mark.timeout(1500)
def test_runs_that_are_killed_at_random_end_with_the_undisturbed_adapter() -> None:
    code, said = _bench("kill_rounds.py", "5", "--seed", "16", timeout=1400.0)

    assert code == 0, said
    assert "5 of 5 rounds ended as undisturbed" in said


@pytest.mark.timeout(600)
def test_a_strangers_flood_fills_no_members_memory() -> None:
    # How fast steps are under it is the bench's matter: here other tests run beside, and take their cores.
    sizes = ("--megabytes", "50", "--connects", "100", "--streams", "60", "--turns", "2", "--nice", "0")
    code, said = _bench("flood.py", *sizes, "--quiet", "3", "--slower", "0.95", timeout=500.0)

    assert code == 0, said
    assert "100 connects, 60 streams, 0 calls answered" in said
