# SPDX-License-Identifier: Apache-2.0
"""Rounds of kills and a flood over runs of processes; `bench/` has both as commands, at full length."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


def _bench(name: str, *arguments: str, timeout: float) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "bench" / name), *arguments],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.timeout(1500)
def test_runs_that_are_killed_at_random_end_with_the_undisturbed_adapter() -> None:
    done = _bench("kill_rounds.py", "5", "--seed", "16", timeout=1400.0)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5 rounds ended as undisturbed" in done.stdout


@pytest.mark.timeout(600)
def test_a_strangers_flood_fills_no_members_memory() -> None:
    # How fast steps are under it is the bench's matter: here other tests run beside.
    sizes = ("--megabytes", "50", "--connects", "100", "--streams", "60")
    done = _bench("flood.py", *sizes, "--turns", "2", "--quiet", "3", "--slower", "0.95", timeout=500.0)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 calls answered" in done.stdout
