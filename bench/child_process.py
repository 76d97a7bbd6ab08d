# SPDX-License-Identifier: Apache-2.0
"""Measure in a process of its own, so that peaks of memory are of one thing alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def in_child(bench: str, given: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """What `python BENCH --one JSON` prints as its last line, for `given`.

    Raises:
        CalledProcessError: it failed.
        TimeoutExpired: it took longer than `seconds`.
    """
    done = subprocess.run(
        [sys.executable, bench, "--one", json.dumps(given)],
        env=os.environ | {"PYTHONPATH": f"{Path(bench).parent}:{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=seconds,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))
