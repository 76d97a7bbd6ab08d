# SPDX-License-Identifier: Apache-2.0
"""A test that finds two weight files unlike says so at once, also where `CI` is set."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
FAILING = """
import random

def test_weights():
    one, other = random.Random(0).randbytes(400_000), random.Random(1).randbytes(400_000)
    assert one == other
"""


def test_two_long_values_are_told_apart_where_they_part(tmp_path: Path) -> None:
    (tmp_path / "test_weights.py").write_text(FAILING)
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
    ]

    found = subprocess.run(
        [*line, "--rootdir", str(tmp_path), "-p", "conftest", str(tmp_path)],
        env=os.environ | {"CI": "true", "PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert found.returncode == 1, found.stderr
    assert "At index 0 diff" in found.stdout
    assert len(found.stdout) < 20_000
