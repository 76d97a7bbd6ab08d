# SPDX-License-Identifier: Apache-2.0
"""A bench that is told to end leaves nothing in the temporary directory, whatever it was at."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from integration.swarm.processes import descendants, is_alive, wait_until

pytestmark = pytest.mark.integration

BEREAVED = """
import os, signal
from pathlib import Path
from integration.swarm.processes import descendants
from swarm_bench import THIN, batch, best_dtype, swarm, tokens_per_second

with swarm(THIN, 2, dtype=best_dtype(), threads=1) as pipeline:
    stages = [Path(f"/proc/{pid}/cmdline") for pid in descendants(os.getpid())]
    victim = next(int(path.parent.name) for path in stages if b"run_server" in path.read_bytes())
    os.kill(victim, signal.SIGKILL)
    tokens_per_second(pipeline, [batch(THIN, microbatches=1, rows=1, length=8, seed=1)])
"""

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
NAMES = {"tempfile", "mkdtemp", "mkstemp", "TemporaryDirectory", "NamedTemporaryFile"}


@pytest.mark.parametrize("name", ["flood.py", "kill_rounds.py", "hop.py", "registry.py"])
def test_sigterm_in_the_middle_of_a_bench_leaves_neither_files_nor_processes(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("t")
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    given = {"PYTHONPATH": path, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(BENCH / name)],
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as bench:
        try:
            assert wait_until(lambda: any(temporary.glob("n0-*/b/*")) or bench.poll() is not None, 120.0)
            below = descendants(bench.pid)
            bench.terminate()
            said, _ = bench.communicate(timeout=120)
        finally:
            bench.kill()

    assert bench.returncode == 143, said
    assert wait_until(lambda: not any(map(is_alive, below)), 30.0)
    # A process that was begun behind that list ends like the others, and then takes its files away.
    assert wait_until(lambda: [*os.walk(temporary)] == [(str(temporary), [], [])], 30.0)


def test_a_bench_whose_stage_is_killed_says_so_and_waits_for_it_no_longer() -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(BENCH), str(ROOT / "tests")])
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", BEREAVED],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as bench:
        try:
            # Without a word it waits for as long as a run would: ten minutes.
            _, said = bench.communicate(timeout=240)
        finally:
            bench.kill()

    assert bench.returncode == 1
    assert re.search(r"ConfigError: stage \S+ ended with code -9", said), said


@pytest.mark.parametrize("module", sorted(BENCH.glob("*.py")), ids=lambda path: path.stem)
def test_no_bench_makes_a_temporary_directory_by_itself(module: Path) -> None:
    tree = ast.walk(ast.parse(module.read_text()))
    words = {word for node in tree for word in (getattr(node, "id", ""), getattr(node, "attr", ""))}

    assert not words & NAMES
