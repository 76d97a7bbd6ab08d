# SPDX-License-Identifier: Apache-2.0
"""What benches count as memory of a process: all that it takes, and nothing that it had."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

BENCH = Path(__file__).parents[2] / "bench"
FORK = """
import gc, os
from machine_use import resident_mebibytes

inherited = [[number] for number in range(500_000)]
if os.fork() == 0:
    before = resident_mebibytes(os.getpid())
    gc.collect()
    collected = resident_mebibytes(os.getpid())
    taken = bytearray(os.urandom(1)) * (64 << 20)
    print(collected - before, resident_mebibytes(os.getpid()) - collected, flush=True)
    os._exit(0)
os.wait()
print(resident_mebibytes(2**22 + 1))
"""


def test_what_a_fork_inherits_is_not_counted_as_taken_when_its_garbage_is_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        cwd=BENCH,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    collected, taken, gone = map(float, done.stdout.split())

    # A collection writes to each object, and 32 MiB become private.
    assert collected < 8
    assert 62 < taken < 72
    assert gone == 0
